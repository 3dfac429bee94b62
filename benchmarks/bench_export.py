"""What an export of `driving-s` is worth and what it costs.

    pytest benchmarks/bench_export.py
    EDGE_MTL_DATA=DIR pytest benchmarks/bench_export.py     with accuracy, on CamVid under DIR

Precisions are timed in turn, round by round, so that whatever else the machine does slows all of
them down; an untimed run before each fetches its weights back into the cache. bfloat16 is what
OpenVINO chooses by itself on processors that have it, where our engine asks for float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from report import Ratio, Report
from trained_logits import DATA

from edge_mtl import zoo
from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.cli.labelled_data import open_labelled
from edge_mtl.data.datasets import open_dataset
from edge_mtl.export.edges import edge_tensors
from edge_mtl.export.engine_plan import EngineWishes, build_files, plan_engine
from edge_mtl.export.exporter import ExportSettings, export
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.network.checkpoint import load_checkpoint
from edge_mtl.runtime.engines import open_engine

ROUNDS = 150
EXPORT_S, ENGINE_S = 180.0, 60.0  # what they may take
FRAMES = 64
CAMVID = DATA / "camvid"

Infer = Callable[[], object]


@pytest.fixture(scope="module")
def int8() -> Bundle:
    return Bundle.open(zoo.locate("driving-s", ".emtl"))


@pytest.fixture(scope="module")
def fp32(int8: Bundle) -> Bundle:
    network = load_checkpoint(zoo.locate("driving-s", ".safetensors"))
    graph = onnx_from_network(network)
    return Bundle.create(
        int8.path,
        {NETWORK: graph.SerializeToString()},
        spec=network.spec,
        target="cpu",
        precision="fp32",
        **edge_tensors(graph, network.spec)._asdict(),
    )


@pytest.mark.benchmark(group="export, speed-up in ONNX Runtime")
def test_int8_against_float32_in_onnx_runtime(
    benchmark: BenchmarkFixture, report: Report, int8: Bundle, fp32: Bundle
) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime, of the extra cpu, is missing")
    ours, rival = (open_engine("onnxruntime", bundle) for bundle in (int8, fp32))
    case = "driving-s INT8, ONNX Runtime"
    _in_turn(benchmark, report, case, ours.infer, {"FP32": (rival.infer, 2.0)})
    ours.close()
    rival.close()


@pytest.mark.benchmark(group="export, speed-up in OpenVINO")
def test_int8_against_float32_and_bfloat16_in_openvino(
    benchmark: BenchmarkFixture, report: Report, int8: Bundle, fp32: Bundle
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO, of the extra cpu, is missing")
    ours, rival = (open_engine("openvino", bundle) for bundle in (int8, fp32))
    rivals: dict[str, tuple[Infer, float]] = {"FP32": (rival.infer, 1.0)}
    if (bfloat16 := _in_bfloat16(fp32)) is not None:
        rivals["BF16"] = (bfloat16, 1.0)
    _in_turn(benchmark, report, "driving-s INT8, OpenVINO", ours.infer, rivals)
    ours.close()
    rival.close()


@pytest.mark.benchmark(group="export, with the gate")
def test_an_export_with_calibration_and_gate(
    benchmark: BenchmarkFixture, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # no ranges of an earlier run
    data = f"camvid:{CAMVID}" if CAMVID.is_dir() else "rendered"
    network = load_checkpoint(zoo.locate("driving-s", ".safetensors"))
    calibration = open_dataset(data, "train", FRAMES)
    held_out = open_labelled(data, "val", FRAMES, "driving-s" if CAMVID.is_dir() else None)

    def make() -> Any:
        settings = ExportSettings()
        return export(network, tmp_path / "driving-s.emtl", settings, calibration, held_out)

    made = benchmark.pedantic(make, rounds=1)
    _note_time(benchmark, report, f"export of driving-s, {data.partition(':')[0]}", EXPORT_S)
    [kept] = [each for each in made.report.candidates if each.name == made.report.kept]
    for each in kept.verdicts:
        report.note(
            f"{kept.name}: {each.task} {each.figure} {each.lost:+.2f} points lost, by {each.basis}"
        )


@pytest.mark.benchmark(group="export, engines")
def test_an_rtx_engine_for_three_architectures(
    benchmark: BenchmarkFixture, report: Report, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")
    graph = onnx_from_network(load_checkpoint(zoo.locate("driving-s", ".safetensors")))
    wishes = EngineWishes(compute_capability="8.6,8.9,12.0")
    request = plan_engine(tmp_path / "driving-s.emtl", "tensorrt-rtx", "fp16", wishes)
    assert request is not None
    benchmark.pedantic(build_files, (graph.SerializeToString(), request), rounds=1)
    _note_time(benchmark, report, "FP16 engine of driving-s for 8.6, 8.9 and 12.0", ENGINE_S)


def _in_bfloat16(bundle: Bundle) -> Infer | None:
    """A run of a float network in OpenVINO as it is set by itself; None where the processor has no
    bfloat16."""
    from edge_mtl.runtime.engines.ov import core

    if "BF16" not in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return None
    compiled = core().compile_model(
        core().read_model(bundle.network),
        "CPU",
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16"},
    )
    request = compiled.create_infer_request()
    return lambda: request.infer(share_inputs=True, share_outputs=True)


def _in_turn(
    benchmark: BenchmarkFixture,
    report: Report,
    case: str,
    ours: Infer,
    rivals: dict[str, tuple[Infer, float]],
) -> None:
    """Times `ours` and, before every round of it, each of the rivals, with the ratio wanted."""
    times_ms: dict[str, list[float]] = {name: [] for name in rivals}

    def rivals_in_turn() -> None:
        for name, (infer, _) in rivals.items():
            infer()
            start = time.perf_counter()
            infer()
            times_ms[name].append((time.perf_counter() - start) * 1e3)
        ours()

    benchmark.pedantic(ours, setup=rivals_in_turn, rounds=ROUNDS, warmup_rounds=3)
    report.add_ours(benchmark, case)
    for name, (_, wanted) in rivals.items():
        if case in report.ours_ms:
            rival_ms = median(times_ms[name])
            ratio = Ratio(case, report.ours_ms[case], name, rival_ms, wanted)
            report.ratios.append(ratio)
            benchmark.extra_info[name] = ratio.to_json()


def _note_time(benchmark: BenchmarkFixture, report: Report, case: str, allowed_s: float) -> None:
    report.add_ours(benchmark, case)
    if case in report.ours_ms:
        ratio = Ratio(case, report.ours_ms[case], "allowed", allowed_s * 1e3, 1.0)
        report.ratios.append(ratio)
        benchmark.extra_info.update(ratio.to_json())
