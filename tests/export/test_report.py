from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from edge_mtl.cli.export_tables import report_tables
from edge_mtl.export.gate import Verdict
from edge_mtl.export.report import Candidate, ExportReport, LayerReport


@pytest.fixture
def report() -> ExportReport:
    bad = Verdict("ground", "labels", "miou", 0.8, 0.6, 1.0)
    good = Verdict("ground", "labels", "miou", 0.8, 0.795, 1.0)
    return ExportReport(
        data="street",
        frames=64,
        kept="int8, 1 layer float",
        reason="no task loses more than it may",
        candidates=(
            Candidate(name="fp32", passed=True, latency_ms={"onnxruntime": 14.2}),
            Candidate(name="int8", passed=False, verdicts=(bad,), latency_ms={"onnxruntime": 6.25}),
            Candidate(
                name="int8, 1 layer float",
                passed=True,
                verdicts=(good,),
                latency_ms={"onnxruntime": 7.0},
            ),
        ),
        layers=(
            LayerReport(name="stem", precision="fp32", error={"ground": 0.31}),
            LayerReport(name="trunk", precision="int8", error={"ground": 0.01}),
            LayerReport(name="logits", precision="int8"),
        ),
    )


def test_the_json_says_what_was_lost_allowed_and_measured(report: ExportReport) -> None:
    plain = report.to_json()
    assert json.loads(json.dumps(plain)) == plain
    [_, int8, _] = plain["candidates"]
    assert int8 == {
        "precision": "int8",
        "passed": False,
        "figures": [
            {
                "task": "ground",
                "basis": "labels",
                "figure": "miou",
                "before": 0.8,
                "after": 0.6,
                "allowed": 1.0,
                "lost": 20.0,
                "passed": False,
            }
        ],
        "latency_ms": {"onnxruntime": 6.25},
    }
    assert plain["layers"][0] == {"name": "stem", "precision": "fp32", "error": {"ground": 0.31}}
    assert plain["layers"][2] == {"name": "logits", "precision": "int8"}


def test_the_tables_show_failures_latencies_and_what_is_not_in_8_bits(
    report: ExportReport,
) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    for table in report_tables(report):
        console.print(table)
    text = console.export_text()
    assert "points lost on 64 frames of street" in text
    assert "+20.00 !" in text
    assert "+0.50 " in text
    assert "6.25" in text
    assert "1 of 3 layers are not in 8 bits" in text
    assert "ground 0.31" in text
    assert "trunk" not in text
