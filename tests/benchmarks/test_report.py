"""Ratios of a run, as the tables and the result have them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from report import Ratio, Report


def benchmark(*seconds: float) -> Any:
    """As much of a benchmark that has just run as a report looks at."""
    return SimpleNamespace(
        stats=SimpleNamespace(stats=SimpleNamespace(data=list(seconds))), extra_info={}
    )


def test_a_rival_in_turn_is_paired_with_the_rounds_that_were_timed() -> None:
    """It had a turn before the warm-up too."""
    report, ours = Report(), benchmark(*[0.001] * 6)
    report.add_in_turn(ours, "case", "rival", [100.0, *[2.0] * 6], wanted=1.5)
    [ratio] = report.ratios
    assert ratio.ratio == pytest.approx(2.0)
    assert ratio.reached
    assert ours.extra_info["rival"]["interval"]["low"] == pytest.approx(2.0)


def test_a_rival_after_ours_is_measured_by_its_rounds() -> None:
    report, theirs = Report(), benchmark(*[0.003] * 5)
    report.add_ours(benchmark(*[0.001] * 5), "case")
    report.add_rival(theirs, "case", "rival", wanted=4.0)
    assert theirs.extra_info["ratio"] == pytest.approx(3.0)
    assert theirs.extra_info["reached"] is False
    assert theirs.extra_info["interval"]["high"] == pytest.approx(3.0)


def test_one_round_has_no_interval() -> None:
    ratio = Ratio.apart("case", [1.0], "rival", [2.0])
    assert ratio.to_json()["interval"] is None
    assert ratio.cells()[5] == ""


def test_where_benchmarks_are_disabled_there_is_nothing_to_tell() -> None:
    report, disabled = Report(), SimpleNamespace(stats=None, extra_info={})
    report.add_ours(disabled, "case")
    report.add_rival(disabled, "case", "rival")
    report.add_in_turn(disabled, "case", "rival", [1.0])
    assert list(report.tables()) == []
    assert disabled.extra_info == {}
