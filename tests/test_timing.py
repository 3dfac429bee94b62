from __future__ import annotations

import numpy as np
import pytest

from edge_mtl.timing import KEPT_SAMPLES, LatencyReport, StageSummary, StageTimes


def test_summary_is_numpys_percentiles_by_stage() -> None:
    values = np.random.default_rng(0).gamma(2.0, 3.0, 3000)  # more than the first capacity
    times = StageTimes()
    for value in values:
        times.record({"engine": value, "head": 2 * value})
    summary = times.summary()
    assert list(summary) == ["engine", "head"]
    expected = np.percentile(values, (50, 90, 99))
    engine = summary["engine"]
    np.testing.assert_allclose((engine.p50_ms, engine.p90_ms, engine.p99_ms), expected)
    assert engine.count == 3000
    assert engine.mean_ms == pytest.approx(values.mean())
    assert engine.max_ms == values.max()
    assert summary["head"].p50_ms == pytest.approx(2 * expected[0])


def test_memory_is_bounded_and_percentiles_follow_the_latest() -> None:
    times = StageTimes()
    times.record({"engine": 1000.0})
    for _ in range(KEPT_SAMPLES):
        times.record({"engine": 5.0})
    engine = times.summary()["engine"]
    assert engine.p99_ms == 5.0
    assert engine.max_ms == 1000.0
    assert engine.count == KEPT_SAMPLES + 1
    assert times._stages["engine"]._values.nbytes == 8 * KEPT_SAMPLES


def test_a_stage_that_comes_later_has_its_own_count() -> None:
    times = StageTimes()
    times.record({"a": 1.0})
    times.record({"a": 3.0, "b": 7.0})
    summary = times.summary()
    assert (summary["a"].count, summary["b"].count) == (2, 1)
    assert summary["a"].p50_ms == 2.0


def test_report_in_json_and_in_the_terminal() -> None:
    report = LatencyReport(50, 2.0, {"engine": StageSummary(50, 1.0, 2.0, 3.0, 1.5, 4.123456)})
    assert report.frames_per_second == 25.0
    assert report.to_json() == {
        "frames": 50,
        "elapsed_s": 2.0,
        "fps": 25.0,
        "stages": {
            "engine": {
                "count": 50,
                "p50_ms": 1.0,
                "p90_ms": 2.0,
                "p99_ms": 3.0,
                "mean_ms": 1.5,
                "max_ms": 4.1235,
            }
        },
    }
    table = report.table()
    assert [list(column.cells) for column in table.columns] == [
        ["engine"],
        ["1.00"],
        ["2.00"],
        ["3.00"],
        ["1.50"],
        ["4.12"],
    ]
    assert "25.0 frames/s" in str(table.caption)


def test_a_report_of_nothing_has_no_rate() -> None:
    assert LatencyReport(0, 0.0, {}).frames_per_second == 0.0
