"""What stands around the engine: preprocessing and head of a pipeline, beside its network.

    pytest benchmarks/bench_pipeline.py
    EDGE_MTL_DATA=DIR pytest benchmarks/bench_pipeline.py     on a real drive under DIR

`driving-s` on frames of 1280x720, two threads. What others do around the same engines is in
`bench_peers.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import shipped
from drive_clip import write_clip
from pytest_benchmark.fixture import BenchmarkFixture
from report import Ratio, Report

from edge_mtl.benchmark.closed_loop import take_turns
from edge_mtl.benchmark.energy_use import EnergyUse
from edge_mtl.benchmark.machine_watch import MachineWatch
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.sources.video import VideoSource

THREADS = 2
FRAMES = 60
ALONE_S = 10.0
OUTSIDE_SHARE, TAIL = 0.10, 1.5  # what kernels may cost beside the engine, and p99 beside p50


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "drive.mp4", FRAMES)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.benchmark(group="pipeline, frame by frame")
def test_what_stands_around_the_engine(
    benchmark: BenchmarkFixture, report: Report, clip: Path, engine: str
) -> None:
    """One frame at a time, from memory: what a camera's frame waits for."""
    pytest.importorskip(engine)
    source = VideoSource(clip)
    frames = list(iter(source.read, None))
    source.close()
    with Pipeline.from_bundle(shipped.int8(), engine, THREADS) as pipeline:
        image = iter(_for_ever(frames))
        benchmark(lambda: pipeline(next(image).image))
        alone, unread = {engine: pipeline}, {engine: EnergyUse("not asked for")}
        with MachineWatch() as watch:
            turns = take_turns(alone, frames, ALONE_S, watch, unread, lambda *_: None)
    stages = turns[engine].summary().stages
    case = f"driving-s, frame masks, {engine}, one frame at a time"
    engine_ms, total = stages["engine"].p50.value, stages["total"]
    outside = Ratio(
        f"{case}: engine",
        engine_ms,
        "all around it",
        total.p50.value - engine_ms,
        OUTSIDE_SHARE,
        at_most=True,
    )
    report.ratios.append(outside)
    benchmark.extra_info.update(outside=outside.to_json())
    if total.p99 is not None:  # of less than 100 frames there is none
        tail = Ratio(f"{case}: p50", total.p50.value, "p99", total.p99.value, TAIL, at_most=True)
        report.ratios.append(tail)
        benchmark.extra_info.update(tail=tail.to_json())


def _for_ever(frames: list[Frame]) -> Iterator[Frame]:
    while True:
        yield from frames
