"""The page says what the files say."""

from __future__ import annotations

import msgspec
import pytest
import scaling_page

from edge_mtl.benchmark.result import BenchResult, Curve, Estimate, Interval, Point
from edge_mtl.machine import Machine

CURVE = Curve(
    what="engine, openvino",
    quantity="pixels of the network's input",
    points=(Point(61440, Interval(5.0, 4.9, 5.1)), Point(983040, Interval(80.0, 79, 81))),
    baseline=245760,
    exponent=Interval(1.0, 0.95, 1.05),
    scale=8e-5,
    fixed_ms=0.0,
    wall="A frame takes too long from 700x420 on.",
)
RESULT = BenchResult(
    created="2026-11-23T00:00:00.000000+00:00",
    command="python benchmarks/scaling.py",
    version="0.1.0",
    commit="",
    machine=Machine.here(),
    source="rendered",
    frame_size=(1280, 720),
    masks="frame",
    threads=None,
    seconds=0.0,
    rounds=20,
    curves=(CURVE, msgspec.structs.replace(CURVE, what="head", fixed_ms=0.25)),
)
ESTIMATE = Estimate(
    model="driving-s",
    device="h200",
    engine="tensorrt",
    low_ms=0.25,
    high_ms=2.0,
    basis="ESTIMATE (SXM): some work",
    sources=("A datasheet, https://example.com/a", "B, https://example.com/b"),
    command="edge-mtl export driving-s && edge-mtl bench driving-s",
)
EMPTY = "before\n<!-- curves -->\nold\n<!-- /curves -->\n<!-- estimates -->\n<!-- /estimates -->\n"


def test_curves_are_rows_and_a_wall_is_said_once() -> None:
    page = scaling_page.with_curves(EMPTY, RESULT)
    assert "old" not in page
    row = "| engine, openvino | 1.00 (0.95 to 1.05) |  | 5.00 ms at 0.061 million | 80.00 ms at"
    assert f"| pixels of the network's input {row}" in page
    assert "| head | 1.00 (0.95 to 1.05) | 0.25 |" in page
    assert page.count("A frame takes too long from 700x420 on.") == 1
    assert scaling_page.with_curves(page, RESULT) == page


def test_estimates_are_marked_as_such() -> None:
    page = scaling_page.with_estimates(EMPTY, [ESTIMATE])
    assert "a frame, **estimated**" in page
    assert "| `h200` | 0.25 to 2 ms | 500 to 4000 | (SXM): some work; sources 1, 2 |" in page
    assert "2. B, https://example.com/b" in page
    assert "```\nedge-mtl export driving-s\nedge-mtl bench driving-s\n```" in page


def test_a_page_without_marks_is_said() -> None:
    with pytest.raises(SystemExit, match=r"expected <!-- curves --> \.\.\. once, found it 0 times"):
        scaling_page.with_curves("nothing", RESULT)


def test_the_page_is_what_the_kept_files_make_of_it() -> None:
    page = scaling_page.PAGE.read_text(encoding="utf-8")
    if scaling_page.MEASURED.exists():
        result = BenchResult.read(scaling_page.MEASURED)
        assert scaling_page.with_curves(page, result) == page, "run benchmarks/scaling_page.py"
        assert scaling_page.PICTURE.exists()
    if scaling_page.ESTIMATED.exists():
        found = BenchResult.read(scaling_page.ESTIMATED).estimates
        assert scaling_page.with_estimates(page, found) == page, "run benchmarks/scaling_page.py"
