"""`Lanes`: frames through pipelines that work at the same time."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import NotFiniteError
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

_log = logging.getLogger(__name__)

_ROOM = 2
"""How many batches may wait to be taken beside one a lane; then the lanes wait, and a live source
drops frames."""
_LOOK_S = 0.5
HUNG_S = 10.0
"""A pipeline that takes longer for its frames does not come back."""
MOST_FAULTY = 100
"""So many batches in a row of which the network made no numbers, and it never will."""

Read: TypeAlias = Callable[[int], Sequence[Frame]]
"""Waits for frames, so many at most; none at the end."""


class HungError(EdgeMtlError):
    """A pipeline does not come back from its frames."""


class Looks(Protocol):
    """What looks at frames: a `Pipeline`, or a `DegradingPipeline`."""

    @property
    def most_frames(self) -> int:
        """How many frames it looks at together."""

    def batch(self, frames: Sequence[Frame]) -> Sequence[Scene]:
        """What is seen in each of so many frames at most; see `Pipeline`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame and what was seen in it.

    source_ms: how long the lane waited for the frame and those of its batch, or decoded it.
    age_ms: from its capture until the scene was there.
    """

    frame: Frame
    scene: Scene
    source_ms: float
    age_ms: float


@dataclass(slots=True)
class _Lane:
    """A thread; the frames that it works on, None while it waits; and how often it was found at the
    same ones."""

    thread: threading.Thread = field(init=False)
    at: Sequence[Frame] | None = None
    found_at: Sequence[Frame] | None = None
    times: int = 0


class Lanes:
    """A thread a pipeline; scenes come out in the order of their frames.

    One lane reads at a time, whichever is free: while one waits for the engine, another decodes and
    preprocesses. `take` is called from one thread.

    Args:
        read: is called from the lanes' threads, never by two at once.
        pipelines: one a lane.
        max_frames: read no more than so many; None for no limit.
        stale_ms: leave frames out that are older when a lane reads them; None to leave out none.
        on_wait: called by `take` every half second in which nothing comes and nothing hangs.

    stale: by camera, the frames that were left out.
    faulty: by camera, the frames that have no scene because the network made no numbers of them.
    """

    def __init__(
        self,
        read: Read,
        pipelines: Sequence[Looks],
        *,
        max_frames: int | None = None,
        stale_ms: float | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self.stale: Counter[str] = Counter()
        self.faulty: Counter[str] = Counter()
        self._faulty_in_a_row = 0
        self._from_source = read
        self._most = min(pipeline.most_frames for pipeline in pipelines)
        self._left = max_frames
        self._stale_ms = stale_ms
        self._on_wait = on_wait
        self._reading = threading.Lock()
        self._read = 0  # batches that lanes have taken on
        self._changed = threading.Condition()
        self._seen: dict[int, Sequence[Seen]] = {}  # by the number of the batch
        self._taken = 0
        self._room = _ROOM + len(pipelines)
        self._error: BaseException | None = None
        self._failed = sys.maxsize  # the first batch that will have no scenes
        self._stopping = False
        self._lanes = [_Lane() for _ in pipelines]
        for lane, pipeline in zip(self._lanes, pipelines, strict=True):
            lane.thread = threading.Thread(
                target=self._run, args=(lane, pipeline), name="lane", daemon=True
            )
        self._running = len(self._lanes)
        for lane in self._lanes:
            lane.thread.start()

    def take(self) -> Sequence[Seen]:
        """The next scenes, those of a batch, as soon as they are there; none at the end.

        Raises:
            EdgeMtlError: the source was lost or a pipeline failed, after all that was seen before.
            HungError: a pipeline is stuck; where, is in the log.
        """
        with self._changed:
            seen: Sequence[Seen] = ()
            while not seen:
                while self._taken not in self._seen:
                    if self._error is not None and self._taken == self._failed:
                        raise self._error
                    if self._running == 0 or (self._stopping and self._taken == self._read):
                        return ()
                    if not self._changed.wait(_LOOK_S):
                        self._check_hung()
                        if self._on_wait is not None:
                            self._on_wait()
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

    def _run(self, lane: _Lane, pipeline: Looks) -> None:
        while (taken := self._next()) is not None:
            number, frames, source_ms = taken
            lane.at = frames
            scenes: Sequence[Scene]
            try:
                scenes = pipeline.batch(frames)
                self._faulty_in_a_row = 0
            except NotFiniteError as error:
                if not self._bears(frames, error):
                    self._fail(number, error)
                    break
                frames = scenes = ()
            except BaseException as error:  # whatever it is, the thread that takes has to know
                self._fail(number, error)
                break
            lane.at = None
            self._put(
                number,
                [
                    Seen(frame, scene, source_ms, _age_ms(frame))
                    for frame, scene in zip(frames, scenes, strict=True)
                ],
            )
        with self._changed:
            lane.at = None
            self._running -= 1
            self._changed.notify_all()

    def _bears(self, frames: Sequence[Frame], error: NotFiniteError) -> bool:
        """Count frames of which the network made no numbers, and say whether it may go on."""
        with self._changed:
            self.faulty.update(frame.camera for frame in frames)
            self._faulty_in_a_row += 1
            if self._faulty_in_a_row == 1:
                _log.warning("%s; such frames are dropped", error)
            return self._faulty_in_a_row < MOST_FAULTY

    def _next(self) -> tuple[int, Sequence[Frame], float] | None:
        """The next frames that are worth it, the number of their batch, and the time it took to
        read them; None where there are none any more."""
        with self._reading:
            while not self._stopping and self._left != 0:
                start = time.perf_counter()
                most = self._most if self._left is None else min(self._most, self._left)
                try:
                    frames = self._from_source(most)
                except BaseException as error:
                    self._fail(self._read, error)
                    return None
                source_ms = (time.perf_counter() - start) * 1e3
                if not frames or self._stopping:
                    self._stopping = True
                    return None
                if self._stale_ms is not None:
                    frames = self._fresh(frames, self._stale_ms)
                    if not frames:
                        continue
                number = self._read
                self._read += 1
                if self._left is not None:
                    self._left -= len(frames)
                return number, frames, source_ms
        return None

    def _fresh(self, frames: Sequence[Frame], stale_ms: float) -> list[Frame]:
        fresh = []
        for frame in frames:
            if _age_ms(frame) <= stale_ms:
                fresh.append(frame)
            else:
                self.stale[frame.camera] += 1
        return fresh

    def _put(self, number: int, seen: Sequence[Seen]) -> None:
        """Keep the scenes of a batch until they are taken; wait while too many are kept."""
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
            of_camera = f" of {at[0].camera}" if at[0].camera else ""
            raise HungError(
                f"frame {at[0].index}{of_camera}: expected a scene within {HUNG_S:g} s, the "
                "pipeline is still at it; see the log for where. Is the GPU or the machine "
                "overloaded or suspended?"
            )


def _age_ms(frame: Frame) -> float:
    return (time.monotonic_ns() - frame.captured_ns) / 1e6
