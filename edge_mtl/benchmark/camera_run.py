"""Frames that come at a camera's pace, through a `Stream`, the contenders in turn.

In a closed loop nobody waits: a frame of 100 ms delays none. Behind a camera it makes the three
that come meanwhile late or drops them, which is what a user sees ("coordinated omission", Tene, How
NOT to Measure Latency, 2013).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edge_mtl.benchmark.looped import Looped
from edge_mtl.benchmark.machine_watch import MachineWatch
from edge_mtl.benchmark.result import Camera
from edge_mtl.benchmark.statistics import blocks, jitter, latency
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.sources.paced import PacedSource
from edge_mtl.runtime.stream import Stream
from edge_mtl.scene import Scene

TURNS = 4
_TOLD = 4096  # ages in a result, at most


def run_as_camera(
    pipelines: Mapping[str, Pipeline],
    frames: Sequence[Frame],
    seconds: float,
    rate_hz: float,
    deadline_ms: float,
    watch: MachineWatch,
    tell: Callable[[int, int], None],
) -> dict[str, Camera]:
    """Run every pipeline for `seconds` in all behind a camera of `rate_hz`; one that was dropped is
    asked no more. Other arguments as of `closed_loop.take_turns`."""
    ages: dict[str, list[tuple[float, float]]] = {name: [] for name in pipelines}
    offered, dropped = Counter[str](), Counter[str]()
    for number in range(TURNS):
        for name, pipeline in pipelines.items():
            came, lost = _one_turn(pipeline, frames, seconds / TURNS, rate_hz, ages[name])
            offered[name] += came
            dropped[name] += lost
            watch.look()
        tell(number + 1, TURNS)
    return {
        name: _summary(ages[name], offered[name], dropped[name], seconds, rate_hz, deadline_ms)
        for name in pipelines
    }


def _one_turn(
    pipeline: Pipeline,
    frames: Sequence[Frame],
    seconds: float,
    rate_hz: float,
    ages: list[tuple[float, float]],
) -> tuple[int, int]:
    """Add the ages of a turn; how many frames came, and how many of them were dropped."""
    source = Looped(frames, seconds, rate_hz)
    began_s = ages[-1][0] if ages else 0.0
    start_ns = time.monotonic_ns()

    def note(scene: Scene) -> None:
        now_ns = time.monotonic_ns()
        at_s = began_s + (now_ns - start_ns) / 1e9
        ages.append((at_s, (now_ns - scene.captured_ns) / 1e6))

    report = Stream(PacedSource(source, rate_hz), [pipeline], on_scene=note).run()
    return source.given, report.dropped


def _summary(
    ages: Sequence[tuple[float, float]],
    offered: int,
    dropped: int,
    seconds: float,
    rate_hz: float,
    deadline_ms: float,
) -> Camera:
    values = np.array([age for _, age in ages])
    turns = blocks(values)
    step = -(-len(ages) // _TOLD)
    return Camera(
        rate_hz=rate_hz,
        seconds=seconds,
        offered=offered,
        scenes=len(ages),
        dropped=dropped,
        deadline_ms=deadline_ms,
        missed=int((values > deadline_ms).sum()),
        age=latency(turns),
        jitter_ms=jitter(turns),
        ages=tuple((round(at_s, 4), round(age, 3)) for at_s, age in ages[::step]),
    )
