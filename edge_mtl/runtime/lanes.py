"""`Lanes`: the frames of a source through pipelines that work at the same time."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame, Source
from edge_mtl.scene import Scene

_log = logging.getLogger(__name__)

_ROOM = 2
"""How many scenes may wait to be taken beside one a lane; then the lanes wait, and a live source
drops frames."""
_LOOK_S = 0.5
HUNG_S = 10.0
"""A pipeline that takes longer for a frame does not come back."""


class HungError(EdgeMtlError):
    """A pipeline does not come back from a frame."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame and what was seen in it.

    source_ms: how long the lane waited for the frame, or decoded it.
    age_ms: from its capture until the scene was there.
    """

    frame: Frame
    scene: Scene
    source_ms: float
    age_ms: float


@dataclass(slots=True)
class _Lane:
    """A thread; the frame that it works on, None while it waits; and how often it was found at the
    same one."""

    thread: threading.Thread = field(init=False)
    at: Frame | None = None
    found_at: Frame | None = None
    times: int = 0


class Lanes:
    """A thread a pipeline; scenes come out in the order of their frames.

    One lane reads at a time, whichever is free: while one waits for the engine, another decodes and
    preprocesses. `take` is called from one thread.

    Args:
        source: is read from the lanes' threads, never by two at once.
        pipelines: one a lane.
        max_frames: read no more than so many; None for no limit.
        stale_ms: leave frames out that are older when a lane reads them; None to leave out none.
    """

    def __init__(
        self,
        source: Source,
        pipelines: Sequence[Pipeline],
        *,
        max_frames: int | None = None,
        stale_ms: float | None = None,
    ) -> None:
        self.stale = 0
        self._source = source
        self._left = max_frames
        self._stale_ms = stale_ms
        self._reading = threading.Lock()
        self._read = 0  # frames that lanes have taken on
        self._changed = threading.Condition()
        self._seen: dict[int, Seen] = {}  # by the number of the frame
        self._taken = 0
        self._room = _ROOM + len(pipelines)
        self._error: BaseException | None = None
        self._failed = sys.maxsize  # the first frame that will have no scene
        self._stopping = False
        self._lanes = [_Lane() for _ in pipelines]
        for lane, pipeline in zip(self._lanes, pipelines, strict=True):
            lane.thread = threading.Thread(
                target=self._run, args=(lane, pipeline), name="lane", daemon=True
            )
        self._running = len(self._lanes)
        for lane in self._lanes:
            lane.thread.start()

    def take(self) -> Seen | None:
        """The next scene, as soon as it is there; None at the end.

        Raises:
            EdgeMtlError: the source was lost or a pipeline failed, after all that was seen before.
            HungError: a pipeline is stuck; where, is in the log.
        """
        with self._changed:
            while self._taken not in self._seen:
                if self._error is not None and self._taken == self._failed:
                    raise self._error
                if self._running == 0 or (self._stopping and self._taken == self._read):
                    return None
                if not self._changed.wait(_LOOK_S):
                    self._check_hung()
            seen = self._seen.pop(self._taken)
            self._taken += 1
            self._changed.notify_all()
            return seen

    def stop(self) -> None:
        """Read no more frames; what the lanes are at is still to be taken. Takes no lock: signal
        handlers may call it."""
        self._stopping = True

    def join(self, timeout_s: float = 1.0) -> None:
        """Wait for the threads after `stop`; one that is stuck is left to itself."""
        with self._changed:
            self._stopping = True
            self._seen.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_s
        for lane in self._lanes:
            lane.thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, lane: _Lane, pipeline: Pipeline) -> None:
        while (taken := self._next()) is not None:
            number, frame, source_ms = taken
            lane.at = frame
            try:
                scene = pipeline(
                    frame.image,
                    planes=frame.planes,
                    frame_index=frame.index,
                    captured_ns=frame.captured_ns,
                )
            except BaseException as error:  # whatever it is, the thread that takes has to know
                self._fail(number, error)
                break
            lane.at = None
            self._put(number, Seen(frame, scene, source_ms, _age_ms(frame)))
        with self._changed:
            lane.at = None
            self._running -= 1
            self._changed.notify_all()

    def _next(self) -> tuple[int, Frame, float] | None:
        """The next frame that is worth it, its number among those, and the time it took to read;
        None where there is none any more."""
        with self._reading:
            while not self._stopping and self._left != 0:
                start = time.perf_counter()
                try:
                    frame = self._source.read()
                except BaseException as error:
                    self._fail(self._read, error)
                    return None
                source_ms = (time.perf_counter() - start) * 1e3
                if frame is None or self._stopping:
                    self._stopping = True
                    return None
                if self._stale_ms is not None and _age_ms(frame) > self._stale_ms:
                    self.stale += 1
                    continue
                number = self._read
                self._read += 1
                if self._left is not None:
                    self._left -= 1
                return number, frame, source_ms
        return None

    def _put(self, number: int, seen: Seen) -> None:
        """Keep a scene until it is taken; wait while too many are kept."""
        with self._changed:
            self._changed.wait_for(lambda: number - self._taken < self._room or self._stopping)
            self._seen[number] = seen
            self._changed.notify_all()

    def _fail(self, number: int, error: BaseException) -> None:
        with self._changed:
            if number < self._failed:
                self._failed, self._error = number, error
            self._stopping = True
            self._changed.notify_all()

    def _check_hung(self) -> None:
        """Counts looks and not time: a process that was stopped meanwhile is not hung."""
        for lane in self._lanes:
            at = lane.at
            lane.times = lane.times + 1 if at is lane.found_at else 0
            lane.found_at = at
            if at is None or lane.times * _LOOK_S < HUNG_S:
                continue
            stack = sys._current_frames().get(lane.thread.ident or 0)
            _log.error("a pipeline is stuck here:\n%s", "".join(traceback.format_stack(stack)))
            raise HungError(
                f"frame {at.index}: expected a scene within {HUNG_S:g} s, the pipeline is still at "
                "it; see the log for where. Is the GPU or the machine overloaded or suspended?"
            )


def _age_ms(frame: Frame) -> float:
    return (time.monotonic_ns() - frame.captured_ns) / 1e6
