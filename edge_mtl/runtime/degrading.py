"""`DegradingPipeline`: lighter networks in the place of the full one while scenes come too late."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import msgspec

from edge_mtl.bundle import Bundle
from edge_mtl.errors import UsageError
from edge_mtl.reference import MaskSize
from edge_mtl.runtime.engines import Engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

LEAST_STRETCH_S, MOST_STRETCH_S = 2.0, 64.0
"""How long no scene may be late before the full network is tried again: at first, and at most."""

_log = logging.getLogger(__name__)


class Degradation:
    """When lighter networks take over, for all pipelines of a stream. Safe across threads.

    A late scene calls for them. After a stretch without a late one the full network is back; a
    scene that is late within as long a stretch after that is a relapse, and doubles the stretch, up
    to `MOST_STRETCH_S`. So a machine that is too slow for the full network tries it for one scene
    in a minute, and one that was held up once has it back after two seconds.

    on: whether the lighter networks look at the next frame.

    Args:
        deadline_ms: how old a frame may be when its scene is there.
    """

    def __init__(self, deadline_ms: float) -> None:
        self.on = False
        self._deadline_ms = deadline_ms
        self._stretch_s = LEAST_STRETCH_S
        self._since_s = float("-inf")  # the last late scene while on, the return while not
        self._turns: dict[str, int] = {}  # by camera
        self._lock = threading.Lock()

    def turn(self, cameras: Sequence[str]) -> int | None:
        """The number of the next batch, of frames of these cameras, among those that the lighter
        networks look at; None where the full one does.

        Cameras count for themselves: of two that come in turns neither has the same half of the
        tasks every time.
        """
        with self._lock:
            if not self.on:
                return None
            turn = self._turns.get(cameras[0], 0)
            self._turns.update(dict.fromkeys(cameras, turn + 1))
            return turn

    def note(self, age_ms: float, now_s: float) -> None:
        """Note how old a frame was when its scene was there, at `now_s` of a clock that never goes
        back."""
        with self._lock:
            if age_ms > self._deadline_ms:
                if not self.on:
                    self._take_over(age_ms, now_s)
                self._since_s = now_s
            elif self.on and now_s - self._since_s >= self._stretch_s:
                self.on = False
                self._since_s = now_s
                _log.info("no scene was late for %g s: back to the full network", self._stretch_s)

    def _take_over(self, age_ms: float, now_s: float) -> None:
        relapsed = now_s - self._since_s < self._stretch_s
        self._stretch_s = min(2 * self._stretch_s, MOST_STRETCH_S) if relapsed else LEAST_STRETCH_S
        self.on = True
        _log.warning(
            "a scene came %.0f ms after its frame, %g ms are allowed: degraded until none has been "
            "late for %g s",
            age_ms,
            self._deadline_ms,
            self._stretch_s,
        )


class DegradingPipeline:
    """Looks at frames like the `Pipeline` that it holds, or past the deadline like a lighter one.

    Args:
        full: of the whole network.
        lighter: those that take turns while it is too slow. All are closed with this one.
        degradation: shared by the pipelines of a stream.
    """

    def __init__(
        self, full: Pipeline, lighter: Sequence[Pipeline], degradation: Degradation
    ) -> None:
        self._full = full
        self._lighter = lighter
        self._degradation = degradation

    @property
    def engine(self) -> Engine:
        """That of the full network; the lighter ones have one of the same kind each."""
        return self._full.engine

    @property
    def most_frames(self) -> int:
        """How many frames every one of its networks looks at together."""
        return min(each.most_frames for each in (self._full, *self._lighter))

    def batch(self, frames: Sequence[Frame]) -> list[Scene]:
        """Look at frames as a `Pipeline` does, whose errors it raises. The oldest of them decides
        whether their scenes are late; a frame whose time is not known (0) never is."""
        turn = self._degradation.turn([frame.camera for frame in frames])
        pipeline = self._full if turn is None else self._lighter[turn % len(self._lighter)]
        scenes = pipeline.batch(frames)
        captured_ns = [frame.captured_ns for frame in frames if frame.captured_ns]
        if captured_ns:
            now_ns = time.monotonic_ns()
            self._degradation.note((now_ns - min(captured_ns)) / 1e6, now_ns / 1e9)
        if turn is None:
            return scenes
        return [msgspec.structs.replace(scene, degraded=True) for scene in scenes]

    def close(self) -> None:
        """Release all engines. Twice does no harm."""
        for pipeline in (self._full, *self._lighter):
            pipeline.close()


def open_degrading(
    bundle: Bundle,
    count: int,
    deadline_ms: float,
    engine: str = "auto",
    threads: int | None = None,
    mask_size: MaskSize = "frame",
    frames: int = 1,
) -> list[DegradingPipeline]:
    """Open a bundle with its lighter networks for so many threads, all in the same engine.

    Each network takes its own memory, beside the full one. Other arguments and errors as of
    `Pipeline.open_several`.

    Raises:
        UsageError: the bundle has no lighter network.
        BundleError: one of them is damaged.
    """
    lighter = bundle.lighter()
    if not lighter:
        raise UsageError(
            f"{bundle.path}: expected a bundle that can degrade, found no lighter network in it; "
            "make one with `edge-mtl export CHECKPOINT -o BUNDLE --degrade half_resolution`, or "
            "--degrade every_second_task"
        )
    opened: list[list[Pipeline]] = []
    try:
        for each in (bundle, *lighter):
            opened.append(Pipeline.open_several(each, count, engine, threads, mask_size, frames))
            engine = opened[0][0].engine.name
    except BaseException:
        for pipelines in opened:
            for pipeline in pipelines:
                pipeline.close()
        raise
    degradation = Degradation(deadline_ms)
    return [
        DegradingPipeline(full, others, degradation) for full, *others in zip(*opened, strict=True)
    ]
