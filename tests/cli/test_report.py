"""`edge-mtl report`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge_mtl.benchmark.result import BenchResult, Estimate
from edge_mtl.cli import app
from edge_mtl.machine import Machine


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """The file of a result with one estimate, which is made up."""
    estimate = Estimate(
        model="driving-s",
        device="made-up board",
        engine="tensorrt",
        low_ms=2.0,
        high_ms=5.0,
        basis="Made up.",
        sources=(),
        command="edge-mtl bench driving-s",
    )
    found = BenchResult(
        created="2026-11-23T00:00:00.000000+00:00",
        command="python benchmarks/scaling.py",
        version="0.1.0",
        commit="",
        machine=Machine("made-up processor", 2, (), "Linux", "3.12"),
        source="rendered",
        frame_size=(96, 64),
        masks="frame",
        threads=None,
        seconds=1.0,
        estimates=(estimate,),
    )
    path = tmp_path / "bench.json"
    path.write_bytes(found.to_bytes())
    return path


def test_a_page_and_markdown_are_written(measured: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="Jinja, of the extra report, is not installed")
    page, text = tmp_path / "new" / "page.html", tmp_path / "other" / "report.md"
    done = call(measured, measured, "--html", page, "--markdown", text)
    assert (done.exit_code, done.output) == (0, "")
    assert "made-up board" in page.read_text(encoding="utf-8")
    assert "made-up board" in text.read_text(encoding="utf-8")


def test_markdown_goes_to_standard_output(measured: Path) -> None:
    done = call(measured, "--markdown", "-")
    assert done.exit_code == 0
    assert done.stdout.startswith("## Scaling and estimates\n")


def test_what_is_wrong_is_one_line(measured: Path, tmp_path: Path) -> None:
    neither = call(measured)
    assert (neither.exit_code, "expected --html FILE or --markdown" in neither.output) == (2, True)
    other = tmp_path / "other.json"
    other.write_text("{}")
    for wrong in (call(other, "--markdown", "-"), call(tmp_path / "none", "--markdown", "-")):
        assert wrong.exit_code == 1
        assert "expected a result of `edge-mtl bench --json`" in wrong.output
    unwritable = call(measured, "--markdown", measured / "x.md")
    assert unwritable.exit_code == 1
    assert "choose another place for --markdown" in unwritable.output


def test_markdown_needs_no_jinja_and_the_page_says_how_to_get_it(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "edge_mtl.benchmark.report.html", raising=False)
    assert call(measured, "--markdown", "-").exit_code == 0
    done = call(measured, "--html", tmp_path / "page.html")
    assert done.exit_code == 1
    assert "this needs jinja2, which is missing: pip install 'edge-mtl[report]'" in " ".join(
        done.output.split()
    )
