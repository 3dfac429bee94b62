"""What an export of `driving-s` is worth and what it costs.

    pytest benchmarks/bench_export.py
    EDGE_MTL_DATA=DIR pytest benchmarks/bench_export.py     with accuracy, on CamVid under DIR

Precisions are timed in turn, round by round, so that whatever else the machine does slows all of
them down; an untimed run before each fetches its weights back into the cache. bfloat16 is what
OpenVINO chooses by itself on processors that have it, where our engine asks for float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import shipped
from in_turn import Rival, Work, time_in_turn
from pytest_benchmark.fixture import BenchmarkFixture
from report import Ratio, Report, median_ms
from trained_logits import DATA

from edge_mtl.bundle import Bundle
from edge_mtl.cli.labelled_data import open_labelled
from edge_mtl.data.datasets import open_dataset
from edge_mtl.export.engine_plan import EngineWishes, build_files, plan_engine
from edge_mtl.export.exporter import ExportSettings, export
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.runtime.engines import open_engine

ROUNDS = 150
EXPORT_S, ENGINE_S = 180.0, 60.0  # what they may take
FRAMES = 64
CAMVID = DATA / "camvid"


@pytest.mark.benchmark(group="export, speed-up in ONNX Runtime")
def test_int8_against_float32_in_onnx_runtime(benchmark: BenchmarkFixture, report: Report) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime, of the extra cpu, is missing")
    ours, rival = (
        open_engine("onnxruntime", bundle) for bundle in (shipped.int8(), shipped.fp32())
    )
    case = "driving-s INT8, ONNX Runtime"
    time_in_turn(benchmark, report, case, ours.infer, {"FP32": (rival.infer, 2.0)}, ROUNDS)
    ours.close()
    rival.close()


@pytest.mark.benchmark(group="export, speed-up in OpenVINO")
def test_int8_against_float32_and_bfloat16_in_openvino(
    benchmark: BenchmarkFixture, report: Report
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO, of the extra cpu, is missing")
    ours, rival = open_engine("openvino", shipped.int8()), open_engine("openvino", shipped.fp32())
    rivals: dict[str, Rival] = {"FP32": (rival.infer, 1.0)}
    if (bfloat16 := _in_bfloat16(shipped.fp32())) is not None:
        rivals["BF16"] = (bfloat16, 1.0)
    time_in_turn(benchmark, report, "driving-s INT8, OpenVINO", ours.infer, rivals, ROUNDS)
    ours.close()
    rival.close()


@pytest.mark.benchmark(group="export, with the gate")
def test_an_export_with_calibration_and_gate(
    benchmark: BenchmarkFixture, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # no ranges of an earlier run
    data = f"camvid:{CAMVID}" if CAMVID.is_dir() else "rendered"
    network = shipped.float_network()
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
    graph = onnx_from_network(shipped.float_network())
    wishes = EngineWishes(compute_capability="8.6,8.9,12.0")
    request = plan_engine(tmp_path / "driving-s.emtl", "tensorrt-rtx", "fp16", wishes)
    assert request is not None
    benchmark.pedantic(build_files, (graph.SerializeToString(), request), rounds=1)
    _note_time(benchmark, report, "FP16 engine of driving-s for 8.6, 8.9 and 12.0", ENGINE_S)


def _in_bfloat16(bundle: Bundle) -> Work | None:
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


def _note_time(benchmark: BenchmarkFixture, report: Report, case: str, allowed_s: float) -> None:
    took_ms = median_ms(benchmark)
    if took_ms is not None:
        ratio = Ratio(case, took_ms, "allowed", allowed_s * 1e3, 1.0)
        report.ratios.append(ratio)
        benchmark.extra_info.update(ratio.to_json())
