"""From the frames of a clip to scenes: edge-mtl beside what is usually written around an engine.

    pytest benchmarks/bench_pipeline.py
    EDGE_MTL_DATA=DIR pytest benchmarks/bench_pipeline.py     on a real drive under DIR

`driving-s` on a clip of 1280x720, two threads for everyone, decoding included. Everyone goes
through the whole clip in turn, round by round, so that whatever else the machine does slows all of
them. Before anything is timed, the scenes are compared: what runs the same network has to find the
same, the float network what the gate of an export allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import shipped
from drive_clip import write_clip
from pytest_benchmark.fixture import BenchmarkFixture
from report import Ratio, Report, median_ms
from rivals.pipelines import SeeFrame, around_onnxruntime, around_openvino, around_torch
from trained_logits import FRAME_SIZE

from edge_mtl import reference
from edge_mtl.benchmark.closed_loop import take_turns
from edge_mtl.benchmark.energy_use import EnergyUse
from edge_mtl.benchmark.machine_watch import MachineWatch
from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.evaluation.meters import Meters
from edge_mtl.export.gate import judge
from edge_mtl.export.yardstick import Measured, add_agreement
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.sources.video import VideoSource
from edge_mtl.runtime.stream import Stream

THREADS = 2
LANES = 2
FRAMES, ROUNDS, COMPARED = 60, 5, 12
ALONE_S = 10.0
OUTSIDE_SHARE, TAIL = 0.10, 1.5  # what kernels may cost beside the engine, and p99 beside p50
SAME_NETWORK_POINTS = 0.5  # of agreement: two libraries resize and round each in its own way


class Rival(NamedTuple):
    """open: for frames that lie so, the masks' (width, height) and threads.

    needs: the package without which there is none.
    wanted: how many times as many frames a second edge-mtl is to make of it.
    same_network: whether it runs the network that edge-mtl runs.
    """

    open: Callable[[Placement, tuple[int, int], int], SeeFrame]
    needs: str
    wanted: float
    same_network: bool


RIVALS = {
    "PyTorch eager": Rival(
        lambda *how: around_torch(shipped.float_network(), *how), "torch", 10, False
    ),
    "ONNX Runtime FP32, OpenCV, NumPy": Rival(
        lambda *how: around_onnxruntime(shipped.fp32(), *how), "onnxruntime", 3, False
    ),
    "OpenVINO INT8, OpenCV, NumPy": Rival(
        lambda *how: around_openvino(shipped.int8(), *how), "openvino", 1.6, True
    ),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "drive.mp4", FRAMES)


@pytest.mark.parametrize("mask_size", ["frame", "network"])
@pytest.mark.benchmark(group="pipeline")
def test_a_clip_from_end_to_end(
    benchmark: BenchmarkFixture, report: Report, clip: Path, mask_size: MaskSize
) -> None:
    for rival in RIVALS.values():
        pytest.importorskip(rival.needs, reason=f"{rival.needs} is missing, which a rival needs")
    cv2.setNumThreads(THREADS)
    spec = shipped.int8().spec
    placement = Placement.fit(FRAME_SIZE, spec.input)
    size = reference.mask_extent(placement, mask_size)
    rivals = {name: rival.open(placement, size, THREADS) for name, rival in RIVALS.items()}
    pipelines = Pipeline.open_several(shipped.int8(), LANES, threads=THREADS, mask_size=mask_size)
    _compare(report, clip, pipelines[0], rivals)

    case = f"driving-s, 1280x720 clip, {mask_size} masks, {pipelines[0].engine.name}"
    times_ms: dict[str, list[float]] = {name: [] for name in rivals}

    def rivals_in_turn() -> None:
        for name, see in rivals.items():
            times_ms[name].append(_usual_loop(clip, see))

    def ours() -> None:
        assert Stream(VideoSource(clip), pipelines).run().latency.frames == FRAMES

    benchmark.pedantic(ours, setup=rivals_in_turn, rounds=ROUNDS, warmup_rounds=1)
    for name, rival in RIVALS.items():
        report.add_in_turn(benchmark, case, name, times_ms[name], rival.wanted)
        fps = FRAMES * 1e3 / median(times_ms[name])
        report.note(f"{name}, {mask_size} masks: {fps:.1f} frames/s")
    took_ms = median_ms(benchmark)
    if took_ms is not None:
        report.note(f"edge-mtl, {mask_size} masks: {FRAMES * 1e3 / took_ms:.1f} frames/s")
    for pipeline in pipelines:
        pipeline.close()


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


def _usual_loop(clip: Path, see: SeeFrame) -> float:
    """Milliseconds for a clip, frame after frame."""
    start = time.perf_counter()
    capture = cv2.VideoCapture(str(clip))
    done = 0
    while True:
        there, frame = capture.read()
        if not there:
            break
        see(np.asarray(frame, np.uint8))
        done += 1
    capture.release()
    assert done == FRAMES
    return (time.perf_counter() - start) * 1e3


def _compare(report: Report, clip: Path, pipeline: Pipeline, rivals: dict[str, SeeFrame]) -> None:
    """Fails where a rival sees something else than edge-mtl does."""
    source = VideoSource(clip)
    frames = [source.read() for _ in range(COMPARED)]
    source.close()
    spec = pipeline.spec
    for name, see in rivals.items():
        with_itself, with_rival = Meters(spec), Meters(spec)
        for frame in frames:
            assert frame is not None
            ours, theirs = pipeline(frame.image), see(frame.image)
            add_agreement(spec, with_itself, theirs, theirs)
            add_agreement(spec, with_rival, ours, theirs)
        verdicts = judge(_measured(with_itself), _measured(with_rival))
        told = ", ".join(f"{each.task} {each.figure} {each.lost:.2f}" for each in verdicts)
        report.note(f"edge-mtl and {name}, points apart: {told}")
        for each in verdicts:
            allowed = SAME_NETWORK_POINTS if RIVALS[name].same_network else each.allowed
            assert each.lost <= allowed, f"{name}: {each}"


def _measured(meters: Meters) -> Measured:
    by_task = {name: meter.result() for name, meter in meters.labelled()}
    return Measured(Accuracy(frames=COMPARED, tasks={}), Accuracy(frames=COMPARED, tasks=by_task))
