from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edge_mtl.bundle import Bundle
from edge_mtl.cli import app

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")


def test_figures_with_what_they_were_measured_on(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "bench.json"
    arguments = ["bench", tiny_bundle_path, "--source", tiny_video, "--json", figures]
    options = ["--seconds", "0.2", "--engine", "onnxruntime", "--threads", "1"]
    result = CliRunner().invoke(app, [*map(str, arguments), *options])
    assert result.exit_code == 0, result.output
    assert "warm-up, left out below: " in result.stdout
    assert "frames/s" in result.stdout
    data = json.loads(figures.read_text())
    assert (data["engine"], data["threads"], data["frame_size"]) == ("onnxruntime", 1, [96, 64])
    assert data["machine"]["cores"] >= 1
    assert data["warm_up"]["frames"] >= 10
    assert data["stages"]["total"]["count"] == data["frames"] >= 5
    assert data["stages"]["total"]["p50_ms"] >= data["stages"]["engine"]["p50_ms"]


def test_a_source_that_is_not_there_is_one_line(tiny_bundle_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", str(tiny_bundle_path), "--source", "/no/such"])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1


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
    arguments = ["bench", path, "--source", tiny_video, "--seconds", "0.1", "--json", figures]
    result = CliRunner().invoke(app, [*map(str, arguments), "--engine", "onnxruntime"])
    assert result.exit_code == 0, result.output
    assert line.format(path) in result.stdout.splitlines()
    accuracy = json.loads(figures.read_text())["accuracy"]
    assert bool(accuracy["labels"]) == ("accuracy" in facts)
    assert bool(accuracy["agreement"]) == ("report" in facts)
