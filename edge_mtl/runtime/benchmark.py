"""Measures a pipeline on frames that are in memory: no camera, file or sink in the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.timing import LatencyReport, StageTimes

_WARM_UP_SHARE = 0.1
_WARM_UP_FRAMES = 10
_LEAST_FRAMES = 5


@dataclass(frozen=True, slots=True)
class BenchReport:
    """What the first frames took, until caches, clocks and engine had settled, and the others."""

    warm_up: LatencyReport
    steady: LatencyReport


def measure(pipeline: Pipeline, frames: Sequence[Frame], seconds: float) -> BenchReport:
    """Run the frames in turn for `seconds`; the first tenth, or 10 frames, are the warm-up.

    The stages are "preprocess", "engine", "head" and "total".
    """
    warm_up = _run(pipeline, frames, seconds * _WARM_UP_SHARE, _WARM_UP_FRAMES)
    steady = _run(pipeline, frames, seconds * (1 - _WARM_UP_SHARE), _LEAST_FRAMES)
    return BenchReport(warm_up, steady)


def _run(pipeline: Pipeline, frames: Sequence[Frame], seconds: float, least: int) -> LatencyReport:
    times = StageTimes()
    done = 0
    start = now = time.perf_counter()
    while done < least or now - start < seconds:
        before = now
        frame = frames[done % len(frames)]
        scene = pipeline(frame.image, planes=frame.planes)
        now = time.perf_counter()
        times.record({**scene.stages_ms, "total": (now - before) * 1e3})
        done += 1
    return LatencyReport(done, now - start, times.summary())
