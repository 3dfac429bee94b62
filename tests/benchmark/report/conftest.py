"""Made-up results: test data of a machine that does not exist, from a seeded generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.benchmark.result import (
    Accuracy,
    BenchResult,
    Camera,
    ClosedLoop,
    Comparison,
    Curve,
    Energy,
    Estimate,
    Interval,
    Latency,
    MachineState,
    Point,
    Start,
    Subject,
    Throughput,
    WarmUp,
)
from edge_mtl.benchmark.statistics import judge
from edge_mtl.machine import Machine

MACHINE = Machine(
    processor="Made-up processor (test data)",
    cores=2,
    instructions=("avx2", "avx512_vnni"),
    system="Linux 6.1.0 x86_64",
    python="3.12.1",
)
QUIET = MachineState(
    speed_p50=0.98,
    speed_worst=0.95,
    clock_mhz=(2800.0, 2800.0),
    gpu_clock_mhz=None,
    throttled=(),
    hottest_c=51.0,
    stolen=0.0,
    others=0.01,
)
STAGES = {"preprocess": 0.03, "engine": 0.93, "head": 0.04}
LABELS = {
    "driving-s": {
        "segmentation": ("miou", 0.766),
        "detection": ("map50", 0.752),
        "time": ("accuracy", 0.991),
    },
    "driving-m": {
        "segmentation": ("miou", 0.791),
        "detection": ("map50", 0.781),
        "time": ("accuracy", 0.993),
    },
}


def totals(p50_ms: float, frames: int, seed: int) -> NDArray[np.float64]:
    """Latencies with two humps and a tail, of test data."""
    rng = np.random.default_rng(seed)
    body = p50_ms * rng.lognormal(0.0, 0.02, frames)
    body[rng.random(frames) < 0.22] *= 1.14
    tail = rng.random(frames) < 0.012
    body[tail] *= 1.5 + rng.exponential(0.5, tail.sum())
    return np.round(body, 3)


def about(value: float, share: float = 0.01) -> Interval:
    """An interval that is made up too."""
    return Interval(float(value), float(value * (1 - share)), float(value * (1 + share)))


def make_latency(values: NDArray[np.float64]) -> Latency:
    """The percentiles of made-up latencies."""
    p50, p90, p95, p99, p999 = np.percentile(values, (50, 90, 95, 99, 99.9)).tolist()
    return Latency(
        count=len(values),
        mean=about(values.mean()),
        p50=about(p50, 0.004),
        p90=about(p90),
        p95=about(p95, 0.02),
        p99=about(p99, 0.12) if len(values) >= 100 else None,
        p999=about(p999, 0.3) if len(values) >= 1000 else None,
        max_ms=float(values.max()),
    )


def make_loop(p50_ms: float = 26.4, frames: int = 600, seed: int = 0) -> ClosedLoop:
    """A closed loop of so many frames in which a stage is always the same share."""
    values = totals(p50_ms, frames, seed)
    parts = {name: make_latency(share * values) for name, share in STAGES.items()}
    return ClosedLoop(
        warm_up=WarmUp(frames=20, seconds=1.3, slowest_ms=8.1 * p50_ms),
        seconds=float(values.sum() / 1000),
        frames=frames,
        frames_per_second=about(1000 / values.mean()),
        stages={**parts, "total": make_latency(values)},
        jitter_ms=about(np.abs(np.diff(values, append=values[-1])).mean(), 0.2),
        totals_ms=tuple(values.tolist()),
    )


def make_camera(p50_ms: float = 26.4, seed: int = 0, frames: int = 300) -> Camera:
    """A camera at 30 Hz; a scene that is not there within two frames drops some."""
    values = totals(p50_ms, frames, seed + 100) + np.random.default_rng(seed).uniform(0, 9, frames)
    kept = min(frames, int(frames * 33.3 / max(p50_ms, 33.3)))
    ages, deadline_ms = values[:kept], 50.0
    seconds = frames / 30
    at = np.linspace(0.05, seconds, kept)
    return Camera(
        rate_hz=30.0,
        seconds=seconds,
        offered=frames,
        scenes=kept,
        dropped=frames - kept,
        deadline_ms=deadline_ms,
        missed=int((ages > deadline_ms).sum()),
        age=make_latency(ages),
        jitter_ms=about(np.abs(np.diff(ages)).mean(), 0.1),
        ages=tuple(zip(np.round(at, 3).tolist(), np.round(ages, 3).tolist(), strict=True)),
    )


def make_subject(
    model: str = "driving-s",
    engine: str = "openvino",
    p50_ms: float = 26.4,
    frames: int = 600,
    seed: int = 0,
    **changes: Any,
) -> Subject:
    """A subject with everything known about it."""
    made = Subject(
        name=f"{model}, {engine}",
        model=model,
        engine=engine,
        engine_version="2025.3",
        precision="int8",
        network_sha256="ab" * 32,
        accuracy=Accuracy(
            data="camvid val", by="export", labels=LABELS.get(model, {}), agreement={}
        ),
        closed_loop=make_loop(p50_ms, frames, seed),
        camera=make_camera(p50_ms, seed),
        throughput=tuple(
            Throughput(
                streams, batch, Interval(rate, 0.97 * rate, 1.03 * rate), 1000 * streams / rate
            )
            for streams, batch, gain in ((1, 1, 1.0), (2, 1, 1.32), (4, 1, 1.35), (1, 4, 1.1))
            for rate in [1000 / p50_ms * gain]
        ),
        start=Start(first_result_s=(0.61, 0.58, 0.66), peak_memory_mb=312.4),
        energy=Energy("made-up meter", "the whole board", 14.2, 6.1, 14.2 * p50_ms / 1000),
    )
    return msgspec.structs.replace(made, **changes)


def make_curve(what: str, quantity: str, exponent: float, scale: float) -> Curve:
    """Points on a curve with a little noise."""
    rng = np.random.default_rng(len(what))
    sizes = [size * 61_440.0 for size in (0.25, 0.5, 1, 2, 4, 8)]
    values = [scale * size**exponent * rng.lognormal(0, 0.03) for size in sizes]
    return Curve(
        what=what,
        quantity=quantity,
        points=tuple(
            Point(size, Interval(ms, 0.95 * ms, 1.06 * ms))
            for size, ms in zip(sizes, values, strict=True)
        ),
        baseline=245_760.0,
        exponent=Interval(exponent, exponent - 0.03, exponent + 0.03),
        scale=scale,
        fixed_ms=0.0,
        wall=f"At 1.2 million {quantity} the {what} alone takes the 33 ms of a camera at 30 Hz.",
    )


def make_result(**changes: Any) -> BenchResult:
    """Two networks in two engines, with everything that a result can hold."""
    speeds = {
        ("driving-s", "openvino"): 26.4,
        ("driving-s", "onnxruntime"): 41.8,
        ("driving-m", "openvino"): 42.9,
        ("driving-m", "onnxruntime"): 71.0,
    }
    subjects = [
        make_subject(model, engine, p50_ms, seed=seed)
        for seed, ((model, engine), p50_ms) in enumerate(speeds.items())
    ]
    comparisons = []
    for (model, engine), p50_ms in list(speeds.items())[1:]:
        found = about(26.4 / p50_ms, 0.02)
        comparisons.append(Comparison(f"{model}, {engine}", subjects[0].name, found, judge(found)))
    made = BenchResult(
        created="2026-11-23T05:00:00.000000+00:00",
        command="edge-mtl bench driving-s driving-m --seconds 20 --camera 30 --json bench.json",
        version="0.1.0",
        commit="0123abc",
        machine=MACHINE,
        source="rendered",
        frame_size=(1280, 720),
        masks="frame",
        threads=None,
        seconds=20.0,
        rounds=20,
        state=QUIET,
        subjects=tuple(subjects),
        comparisons=tuple(comparisons),
        skipped={"tensorrt": "no GPU is here"},
        curves=(
            make_curve("engine", "pixels of the network's input", 1.04, 6e-5),
            make_curve("head", "pixels of the frame", 0.81, 2e-5),
            make_curve("preprocess", "pixels of the frame", 0.97, 1e-6),
        ),
        estimates=(
            Estimate(
                model="driving-s",
                device="Jetson Orin Nano 8 GB (made up)",
                engine="tensorrt int8",
                low_ms=2.1,
                high_ms=5.8,
                basis="7.4 G operations by a fifth to a half of 33 T operations a second.",
                sources=("https://example.org/orin-nano", "the data sheet, page 3"),
                command="edge-mtl bench driving-s --engine tensorrt --json orin.json",
            ),
            Estimate(
                model="driving-s",
                device="H200 (made up)",
                engine="tensorrt fp16",
                low_ms=0.31,
                high_ms=0.9,
                basis="Bound by launches, not by arithmetic.",
                sources=(),
                command="edge-mtl bench driving-s --engine tensorrt --json h200.json",
            ),
        ),
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture(scope="session")
def subject() -> Callable[..., Subject]:
    """Makes a subject up: its model, its engine, its p50, its frames."""
    return make_subject


@pytest.fixture(scope="session")
def result() -> Callable[..., BenchResult]:
    """Makes a result up; its fields can be given."""
    return make_result


@pytest.fixture(scope="session")
def made_up() -> BenchResult:
    """A result with everything, test data of no machine."""
    return make_result()


@pytest.fixture(scope="session")
def other_machine() -> BenchResult:
    """A result of another machine, disturbed and with parts missing."""
    state = msgspec.structs.replace(
        QUIET, throttled=("thermal, core 0: 12 times",), speed_worst=0.61, others=0.22
    )
    bare = make_subject(
        "driving-s",
        "tensorrt",
        4.2,
        frames=60,
        seed=9,
        camera=None,
        throughput=(),
        start=None,
        accuracy=None,
        energy="no meter can be read here, because NVML is not installed",
    )
    return make_result(
        machine=replace(MACHINE, processor="Another made-up processor", cores=12),
        gpus=("Made-up GPU",),
        state=state,
        subjects=(bare, make_subject("driving-m", "tensorrt", 9.9, frames=1200, seed=5)),
        comparisons=(),
        curves=(),
        estimates=(),
        threads=4,
    )
