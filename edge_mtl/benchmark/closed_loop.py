"""One frame after the other, the contenders in turn: A B A B.

Warm-up and duration are as `trtexec` has them (`--warmUp` 200 ms, `--duration` 3 s and 10 runs at
least); there is no pause between frames in which a clock could fall (`--useSpinWait` is for that).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mtl.benchmark.energy_use import EnergyUse
from edge_mtl.benchmark.machine_watch import MachineWatch
from edge_mtl.benchmark.result import ClosedLoop, Comparison, WarmUp
from edge_mtl.benchmark.statistics import Samples, jitter, judge, latency, rate, ratio
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

WARM_UP_S, WARM_UP_FRAMES = 0.2, 10
TURN_S = 0.25
"""Long enough that what the turn before left in the caches does not matter, short enough that what
slows the machine for a second slows everybody."""
LEAST_ROUNDS = 5


class Sees(Protocol):
    """What takes turns: a `Pipeline`, or whatever else tells of a frame what it saw in it and how
    long each stage took (`Scene.stages_ms`)."""

    def __call__(
        self, frame: NDArray[np.uint8], *, planes: Mapping[str, NDArray[np.uint8]] | None = None
    ) -> Scene: ...


@dataclass(slots=True)
class Turns:
    """What a contender did: of each turn its seconds and, by stage, the milliseconds of frames."""

    warm_up: WarmUp
    stages: dict[str, list[Samples]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    @property
    def frames(self) -> list[int]:
        """Of each turn."""
        return [turn.size for turn in self.stages["total"]]

    @property
    def medians_ms(self) -> list[float]:
        """Of each turn."""
        return [float(np.median(turn)) for turn in self.stages["total"]]

    def summary(self) -> ClosedLoop:
        """The turns, told together."""
        totals = self.stages["total"]
        return ClosedLoop(
            warm_up=self.warm_up,
            seconds=sum(self.seconds),
            frames=sum(self.frames),
            frames_per_second=rate(self.frames, self.seconds),
            stages={name: latency(turns) for name, turns in self.stages.items()},
            jitter_ms=jitter(totals),
            totals_ms=tuple(np.concatenate(totals).round(3).tolist()),
        )


def take_turns(
    pipelines: Mapping[str, Sees],
    frames: Sequence[Frame],
    seconds: float,
    watch: MachineWatch,
    energy: Mapping[str, EnergyUse],
    tell: Callable[[int, int], None],
) -> dict[str, Turns]:
    """Run every pipeline for `seconds` in all, after its warm-up.

    Args:
        pipelines: by the name of the contender.
        frames: at least one, in memory.
        watch: looks at the machine after every turn.
        energy: by name, what each uses is added to.
        tell: called with how many rounds are done, and out of how many.
    """
    done = {name: Turns(_warm_up(pipeline, frames)) for name, pipeline in pipelines.items()}
    rounds = max(LEAST_ROUNDS, round(seconds / TURN_S))
    for number in range(rounds):
        for name, pipeline in pipelines.items():
            _take_turn(pipeline, frames, seconds / rounds, energy[name], done[name])
            watch.look()
        tell(number + 1, rounds)
    return done


def compare(done: Mapping[str, Turns]) -> list[Comparison]:
    """Every contender against the first, by the medians of the rounds that they shared."""
    (baseline, theirs), *others = done.items()
    found = []
    for name, ours in others:
        times = ratio(ours.medians_ms, theirs.medians_ms)
        found.append(Comparison(name, baseline, times, judge(times)))
    return found


def _warm_up(pipeline: Sees, frames: Sequence[Frame]) -> WarmUp:
    slowest_ms, done = 0.0, 0
    start = now = time.perf_counter()
    while done < WARM_UP_FRAMES or now - start < WARM_UP_S:
        before, frame = now, frames[done % len(frames)]
        pipeline(frame.image, planes=frame.planes)
        now = time.perf_counter()
        slowest_ms = max(slowest_ms, (now - before) * 1e3)
        done += 1
    return WarmUp(done, now - start, slowest_ms)


def _take_turn(
    pipeline: Sees,
    frames: Sequence[Frame],
    seconds: float,
    energy: EnergyUse,
    turns: Turns,
) -> None:
    """Add a turn. Its first frame finds its weights pushed out of the caches by the contender
    before, which is not so when it runs alone, and is not counted."""
    rows: list[dict[str, float]] = []
    frame = frames[0]
    pipeline(frame.image, planes=frame.planes)
    energy.begin()
    start = now = time.perf_counter()
    while not rows or now - start < seconds:
        before, frame = now, frames[len(rows) % len(frames)]
        scene = pipeline(frame.image, planes=frame.planes)
        now = time.perf_counter()
        rows.append({**scene.stages_ms, "total": (now - before) * 1e3})
    energy.end()
    turns.seconds.append(now - start)
    for stage in rows[0]:
        turns.stages.setdefault(stage, []).append(np.array([row[stage] for row in rows]))
