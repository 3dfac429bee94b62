"""`Stream`: a source, a pipeline and sinks, run until one of them ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sinks import Sink, StreamEnded
from edge_mtl.runtime.sources import Frame, Source
from edge_mtl.scene import Scene
from edge_mtl.timing import LatencyReport, StageTimes

EndedBy = Literal["source", "max_frames", "sink", "stop"]


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What went through a stream.

    latency: the stages are "source" (waiting for or decoding a frame), "preprocess", "engine",
        "head", "sinks", "total" (all of these), and "latency": from the capture of a frame until
        its scene was there, which for a camera includes the time that the frame waited.
    dropped: frames of a live source that came while the stream was busy.
    skipped: pictures that could not be read.
    ended_by: "source" at its end, "max_frames", "sink" where a viewer left, or "stop" on Ctrl-C.
    """

    latency: LatencyReport
    dropped: int
    skipped: int
    ended_by: EndedBy

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {
            **self.latency.to_json(),
            "dropped": self.dropped,
            "skipped": self.skipped,
            "ended_by": self.ended_by,
        }


class Stream:
    """Takes frames from a source through a pipeline into sinks, one at a time.

    Where the source is live it gives its newest frame and drops the rest, so that what comes out
    is never older than one frame's work; a file is read frame by frame.

    Args:
        source, sinks: closed when `run` ends, however it ends.
        pipeline: stays open.
        max_frames: stop after so many; None for no limit.
        on_scene: called with every scene after the sinks had it, as for a progress bar.
    """

    def __init__(
        self,
        source: Source,
        pipeline: Pipeline,
        sinks: Sequence[Sink] = (),
        *,
        max_frames: int | None = None,
        on_scene: Callable[[Scene], None] | None = None,
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._sinks = sinks
        self._max_frames = max_frames
        self._on_scene = on_scene
        self._times = StageTimes()
        self._frames = 0
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let the stream end after the frame that it is at. May be called from any thread."""
        self._stopping.set()

    def run(self) -> StreamReport:
        """Run to the end. In the main thread, SIGINT and SIGTERM stop it; a second one aborts.

        Raises:
            EdgeMtlError: the source or a sink was lost. All of them are closed nevertheless.
            KeyboardInterrupt: a second SIGINT came before the stream had ended.
        """
        start = time.perf_counter()
        with _signals(self.stop), ExitStack() as stack:
            # Left in reverse: the files first, so that a camera that hangs costs none of them.
            stack.callback(self._source.close)
            for sink in self._sinks:
                stack.callback(sink.close)
            ended_by = self._loop()
            elapsed_s = time.perf_counter() - start
        return StreamReport(
            LatencyReport(self._frames, elapsed_s, self._times.summary()),
            self._source.dropped,
            self._source.skipped,
            ended_by,
        )

    def _loop(self) -> EndedBy:
        while not self._stopping.is_set():
            if self._frames == self._max_frames:
                return "max_frames"
            start = time.perf_counter()
            frame = self._source.read()
            if frame is None:
                return "source"
            try:
                self._process(frame, start)
            except StreamEnded:
                return "sink"
        return "stop"

    def _process(self, frame: Frame, start: float) -> None:
        captured = time.perf_counter()
        scene = self._pipeline(
            frame.image,
            planes=frame.planes,
            frame_index=frame.index,
            captured_ns=frame.captured_ns,
        )
        latency_ms = (time.monotonic_ns() - frame.captured_ns) / 1e6
        seen = time.perf_counter()
        self._frames += 1
        for sink in self._sinks:
            sink.write(scene, frame)
        done = time.perf_counter()
        self._times.record(
            {
                "source": (captured - start) * 1e3,
                **scene.stages_ms,
                "sinks": (done - seen) * 1e3,
                "total": (done - start) * 1e3,
                "latency": latency_ms,
            }
        )
        if self._on_scene is not None:
            self._on_scene(scene)


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
