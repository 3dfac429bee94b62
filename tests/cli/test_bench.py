from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from edge_mtl.benchmark.result import BenchResult
from edge_mtl.bundle import Bundle
from edge_mtl.cli import app
from edge_mtl.errors import EdgeMtlError

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")


def bench(*arguments: object) -> Result:
    quick = ["--seconds", "0.1", "--starts", "0", "--streams", "1", "--rate", "100"]
    return CliRunner().invoke(app, ["bench", *map(str, arguments), *quick])


def test_two_models_in_one_engine(
    tiny_bundle: Bundle, tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.emtl"
    fields = ("spec", "target", "precision", "input", "outputs")
    copied = {name: getattr(tiny_bundle.manifest, name) for name in fields}
    Bundle.create(other, tiny_bundle.files, **copied).save()
    figures = tmp_path / "new" / "bench.json"
    result = bench(
        *(tiny_bundle_path, other, "--source", tiny_video, "--json", figures),
        *("--engine", "onnxruntime", "--threads", "1"),
    )
    assert result.exit_code == 0, result.output
    found = BenchResult.read(figures)
    names = [f"{tiny_bundle_path.stem}, onnxruntime", "other, onnxruntime"]
    assert [each.name for each in found.subjects] == names
    assert [(each.subject, each.baseline) for each in found.comparisons] == [(names[1], names[0])]
    assert found.comparisons[0].told() in result.stdout.splitlines()
    assert (found.threads, found.frame_size) == (1, (96, 64))
    assert found.machine.cores >= 1
    for subject in found.subjects:
        assert subject.closed_loop.stages["total"].count == subject.closed_loop.frames >= 5
        assert subject.camera is not None
        assert subject.camera.deadline_ms == 10.0
        assert [each.streams for each in subject.throughput] == [1]
        assert subject.network_sha256 == tiny_bundle.manifest.files["network.onnx"].sha256
        assert f"{subject.closed_loop.stages['total'].p50.value:.2f}" in result.stdout
    assert found.state is not None


def test_all_that_are_installed_and_why_others_are_not(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge_mtl.runtime.engines import ENGINES, EngineEntry

    def refuses(*_: object) -> Any:
        raise EdgeMtlError("no such operator")

    known = {
        "onnxruntime": ENGINES["onnxruntime"],
        "absent": EngineEntry("no_such_module", "cpu", refuses),
        "picky": EngineEntry("onnxruntime", "cpu", refuses),
        "for a GPU": EngineEntry("onnxruntime", "gpu", refuses, built=True),
    }
    monkeypatch.setattr("edge_mtl.runtime.engines.ENGINES", known)
    figures = tmp_path / "bench.json"
    result = bench(tiny_bundle_path, "--source", tiny_video, "--json", figures)
    assert result.exit_code == 0, result.output
    found = BenchResult.read(figures)
    assert [each.engine for each in found.subjects] == ["onnxruntime"]
    name = str(tiny_bundle_path)
    assert found.skipped.keys() == {f"{name}, absent", f"{name}, picky", f"{name}, for a GPU"}
    assert found.skipped[f"{name}, absent"] == "not installed"
    assert "no such operator" in found.skipped[f"{name}, picky"]
    for each, why in found.skipped.items():
        assert f"{each}: left out, {why}" in result.stdout
    asked = bench(tiny_bundle_path, "--source", tiny_video, "--engine", "picky")
    assert asked.exit_code == 1
    assert "no such operator" in asked.stderr


def test_a_page_and_markdown_of_the_same_run(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    pytest.importorskip("jinja2", reason="the extra report is not installed")
    page = tmp_path / "new" / "bench.html"
    result = bench(
        *(tiny_bundle_path, "--source", tiny_video, "--engine", "onnxruntime"),
        *("--html", page, "--markdown", "-"),
    )
    assert result.exit_code == 0, result.output
    name = f"{tiny_bundle_path.stem}, onnxruntime"
    assert f"`{name}`" in result.stdout
    assert name in page.read_text()
    assert "frames/s (" in result.stderr  # the tables make room for what was asked for


def test_no_minutes_are_lost_where_the_page_cannot_be_made(
    tiny_bundle_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.startswith("edge_mtl.benchmark.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = bench(tiny_bundle_path, "--html", tmp_path / "bench.html", "--source", "/no/such")
    assert result.exit_code == 1
    assert "pip install 'edge-mtl[report]'" in result.stderr


def test_nothing_to_measure_is_one_line(
    tiny_bundle_path: Path, tiny_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_mtl.runtime.engines.ENGINES", {})
    result = bench(tiny_bundle_path, "--source", tiny_video)
    assert result.exit_code == 1
    assert "nothing to measure" in result.stderr


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--engine", "onnxruntime", "--engine", "onnxruntime"], "expected every engine once"),
        (["--engine", "fast"], "no engine is called 'fast'"),
        (["--rate", "-1"], "Invalid value for '--rate'"),
    ],
)
def test_wrong_options_are_usage_errors(
    tiny_bundle_path: Path, tiny_video: Path, options: list[str], line: str
) -> None:
    words = ["bench", str(tiny_bundle_path), "--source", str(tiny_video), *options]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert line in result.stderr


def test_a_source_that_is_not_there_is_one_line(tiny_bundle_path: Path) -> None:
    result = bench(tiny_bundle_path, "--source", "/no/such")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


def test_the_accuracy_can_be_measured_in_the_engine_that_is_timed(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    pytest.importorskip("torchmetrics", reason="the extra train is not installed")
    figures = tmp_path / "bench.json"
    result = bench(
        *(tiny_bundle_path, "--source", tiny_video, "--engine", "onnxruntime"),
        *("--data", "rendered", "--limit", "2", "--json", figures),
    )
    assert result.exit_code == 0, result.output
    [subject] = BenchResult.read(figures).subjects
    assert subject.accuracy is not None
    assert (subject.accuracy.by, subject.accuracy.agreement) == ("this run", {})
    assert {"drivable", "time"} <= subject.accuracy.labels.keys()
    assert all(0 <= value <= 1 for _, value in subject.accuracy.labels.values())


FLOAT = {"frames": 4, "classes": {"miou": 0.75, "f1": 0.8}}
EXPORTED = {"frames": 4, "classes": {"miou": 0.5, "f1": 0.6}}
VERDICT = {"task": "time", "basis": "agreement", "figure": "accuracy", "after": 0.875}
REPORT = {
    "kept": "int8",
    "candidates": [
        {"precision": "fp32", "figures": []},
        {"precision": "int8", "figures": [VERDICT, {**VERDICT, "basis": "labels"}]},
    ],
}
UNMEASURED = "accuracy: nobody measured it; `edge-mtl eval {} --data DATA` does"


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({}, UNMEASURED),
        ({"accuracy": {"float": {"frames": 4}, "exported": {"frames": 4}}}, UNMEASURED),
        (
            {"accuracy": {"float": FLOAT, "exported": EXPORTED}, "report": REPORT},
            "accuracy on streets: classes miou 0.500; as the float network: time accuracy 0.875",
        ),
        ({"report": REPORT}, "accuracy on streets: as the float network: time accuracy 0.875"),
    ],
    ids=["never", "no labels", "both", "agreement"],
)
def test_lesson_a_latency_is_never_told_without_the_accuracy(
    facts: dict[str, Any], line: str, tiny_bundle: Bundle, tiny_video: Path, tmp_path: Path
) -> None:
    """yolov12#138: an engine of 0.9 ms, and of mAP 0.002."""
    fields = ("spec", "target", "precision", "input", "outputs")
    copied = {name: getattr(tiny_bundle.manifest, name) for name in fields}
    path = tmp_path / "tiny.emtl"
    Bundle.create(path, tiny_bundle.files, **copied, **facts, accuracy_data="streets").save()
    figures = tmp_path / "bench.json"
    arguments = (path, "--source", tiny_video, "--json", figures, "--engine", "onnxruntime")
    result = bench(*arguments, "--rate", "0")
    assert result.exit_code == 0, result.output
    assert line.format(path) in result.stdout.splitlines()
    [subject] = BenchResult.read(figures).subjects
    if "nobody" in line:
        assert subject.accuracy is None
    else:
        assert subject.accuracy is not None
        assert bool(subject.accuracy.labels) == ("accuracy" in facts)
        assert subject.accuracy.agreement == {"time": ("accuracy", 0.875)}
