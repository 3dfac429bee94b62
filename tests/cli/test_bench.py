from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

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
