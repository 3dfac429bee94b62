"""`Stream`: a source or several, pipelines and sinks, run until one of them ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any, Literal

from edge_mtl.runtime.camera_report import CameraReport, Tally
from edge_mtl.runtime.lanes import Lanes, Looks, Read, Seen
from edge_mtl.runtime.sinks import Sink, StreamEnded
from edge_mtl.runtime.sources import Frame, Source
from edge_mtl.runtime.sources.cameras import Cameras
from edge_mtl.scene import Scene
from edge_mtl.timing import LatencyReport

EndedBy = Literal["source", "max_frames", "sink", "stop"]
Late = Literal["report", "skip"]


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What went through a stream.

    latency: the stages are "source" (waiting for or decoding a frame), "preprocess", "engine",
        "head", "sinks", "total" (all of these), and "latency": from the capture of a frame until
        its scene was there, which for a camera includes the time that the frame waited.
    dropped: frames of a live source that came while the stream was busy.
    skipped: pictures that could not be read.
    ended_by: "source" at its end, "max_frames", "sink" where a viewer left, or "stop" on Ctrl-C.
    missed: scenes that came after the deadline.
    stale: frames that were left out because they were past it when they were read.
    degraded: scenes that a lighter network made; degradations: how often they took over.
    faulty: frames of which the network made no numbers, and so no scene.
    reconnects, resolution_changes: of the sources, as of `Health`.
    cameras: by name, what came of each of several; empty where there was one.
    """

    latency: LatencyReport
    dropped: int
    skipped: int
    ended_by: EndedBy
    missed: int = 0
    stale: int = 0
    degraded: int = 0
    degradations: int = 0
    faulty: int = 0
    reconnects: int = 0
    resolution_changes: int = 0
    cameras: dict[str, CameraReport] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        cameras = {name: camera.to_json() for name, camera in self.cameras.items()}
        return {
            **self.latency.to_json(),
            "dropped": self.dropped,
            "skipped": self.skipped,
            "ended_by": self.ended_by,
            "missed": self.missed,
            "stale": self.stale,
            "degraded": self.degraded,
            "degradations": self.degradations,
            "faulty": self.faulty,
            "reconnects": self.reconnects,
            "resolution_changes": self.resolution_changes,
            **({"cameras": cameras} if cameras else {}),
        }


class Stream:
    """Takes frames from a source, or from several cameras, through pipelines into sinks.

    Reading, pipelines and sinks work at the same time: a lane (`lanes.Lanes`) a pipeline, and the
    sinks in the thread that calls `run`. Where the source is live it gives its newest frame and
    drops the rest; a file is read frame by frame. Scenes reach the sinks in the order of frames.
    Of several cameras as many frames as the pipelines take are looked at together.

    Args:
        source: closed when `run` ends, however it ends.
        sinks: get every scene; closed likewise.
        pipelines: one or, for more frames a second, several of one network
            (`Pipeline.open_several`). They stay open.
        max_frames: stop after so many; None for no limit.
        on_scene: called with every scene after the sinks had it, as for a progress bar.
        on_wait: called every half second in which no scene comes and nothing hangs, as while a
            camera is connected again.
        on_stop: called by `stop`, in a signal handler perhaps, as to wait for no stuck sink.
        deadline_ms: how old a frame may be when its scene is there; None for any age.
        late: what is done about frames that come too late: "report" counts them; "skip" also leaves
            out those that are already too old when they are read. What degrades is the pipelines:
            see `degrading.open_degrading`.
        batch_wait_ms: how long the frame of a camera may wait for those of others.
    """

    def __init__(
        self,
        source: Source | Cameras,
        pipelines: Sequence[Looks],
        sinks: Sequence[Sink] = (),
        *,
        max_frames: int | None = None,
        on_scene: Callable[[Scene], None] | None = None,
        on_wait: Callable[[], None] | None = None,
        on_stop: Callable[[], None] | None = None,
        deadline_ms: float | None = None,
        late: Late = "report",
        batch_wait_ms: float = 5.0,
    ) -> None:
        self._source = source
        self._pipelines = pipelines
        self._sinks = sinks
        self._max_frames = max_frames
        self._on_scene = on_scene
        self._on_wait = on_wait
        self._on_stop = on_stop
        self._deadline_ms = deadline_ms
        self._late = late
        self._read: Read
        if isinstance(source, Cameras):
            self._sources = source.sources
            self._read = partial(source.read, wait_s=batch_wait_ms / 1e3)
        else:
            self._sources = {"": source}
            self._read = partial(_read_one, source)
        self._whole = Tally()
        self._tallies = {name: Tally() for name in self._sources}
        self._stopped = False
        self._lanes: Lanes | None = None

    def stop(self) -> None:
        """Let the stream end after the frames that it is at, or at once where it waits for one. May
        be called from any thread and from a signal handler."""
        self._stopped = True
        if self._lanes is not None:
            self._lanes.stop()
        if self._on_stop is not None:
            self._on_stop()
        self._source.stop()

    def run(self) -> StreamReport:
        """Run to the end. In the main thread, SIGINT and SIGTERM stop it; a second one aborts.

        Raises:
            EdgeMtlError: the source or a sink was lost. All of them are closed nevertheless.
            KeyboardInterrupt: a second SIGINT came before the stream had ended.
        """
        start = time.perf_counter()
        with _signals(self.stop), ExitStack() as stack:
            # Left in reverse: the files first, so that a camera that hangs costs none of them; then
            # the source, which wakes a lane that waits for a frame.
            lanes = self._lanes = self._start()
            stack.callback(lanes.join)
            stack.callback(self._source.close)
            for sink in self._sinks:
                stack.callback(sink.close)
            stack.callback(lanes.stop)
            ended_by = self._loop(lanes)
            elapsed_s = time.perf_counter() - start
        return self._report(lanes, elapsed_s, ended_by)

    def _start(self) -> Lanes:
        return Lanes(
            self._read,
            self._pipelines,
            max_frames=self._max_frames,
            stale_ms=self._deadline_ms if self._late == "skip" else None,
            on_wait=self._on_wait,
        )

    def _loop(self, lanes: Lanes) -> EndedBy:
        if self._stopped:
            lanes.stop()
        try:
            while batch := lanes.take():
                for seen in batch:
                    self._record(seen)
        except StreamEnded:
            return "sink"
        if self._stopped:
            return "stop"
        return "max_frames" if self._whole.frames == self._max_frames else "source"

    def _record(self, seen: Seen) -> None:
        start = time.perf_counter()
        for sink in self._sinks:
            sink.write(seen.scene, seen.frame)
        sinks_ms = (time.perf_counter() - start) * 1e3
        stages_ms = seen.scene.stages_ms
        latencies_ms = {
            "source": seen.source_ms,
            **stages_ms,
            "sinks": sinks_ms,
            "total": seen.source_ms + sum(stages_ms.values()) + sinks_ms,
            "latency": seen.age_ms,
        }
        missed = self._deadline_ms is not None and seen.age_ms > self._deadline_ms
        self._whole.add(latencies_ms, missed, seen.scene.degraded)
        if seen.frame.camera:
            self._tallies[seen.frame.camera].add(latencies_ms, missed, seen.scene.degraded)
        if self._on_scene is not None:
            self._on_scene(seen.scene)

    def _report(self, lanes: Lanes, elapsed_s: float, ended_by: EndedBy) -> StreamReport:
        source, whole = self._source, self._whole
        cameras = {}
        if isinstance(source, Cameras):
            cameras = {
                name: tally.report(
                    elapsed_s,
                    lanes.stale[name],
                    lanes.faulty[name],
                    each.health,
                    source.failures.get(name),
                )
                for (name, each), tally in zip(
                    source.sources.items(), self._tallies.values(), strict=True
                )
            }
        healths = [each.health for each in self._sources.values()]
        return StreamReport(
            latency=whole.latency(elapsed_s),
            dropped=sum(health.dropped for health in healths),
            skipped=sum(health.skipped for health in healths),
            ended_by=ended_by,
            missed=whole.missed,
            stale=sum(lanes.stale.values()),
            degraded=whole.degraded,
            degradations=whole.degradations,
            faulty=sum(lanes.faulty.values()),
            reconnects=sum(health.reconnects for health in healths),
            resolution_changes=sum(health.resolution_changes for health in healths),
            cameras=cameras,
        )


def _read_one(source: Source, _: int) -> Sequence[Frame]:
    frame = source.read()
    return () if frame is None else (frame,)


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first SIGINT or SIGTERM; give both back what they did before after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in watched}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(number: int, stack: FrameType | None) -> None:
        restore()
        stop()

    for number in watched:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        restore()
