from __future__ import annotations

import math

import pytest

from edge_mtl.benchmark.report.axes import around, from_zero


def test_an_even_axis_begins_at_zero() -> None:
    axis = from_zero([3.0, 50.0], 100, 300)
    assert axis.at(0) == 100
    assert 285 < axis.at(50) < 300
    assert axis.ticks(6) == [0, 10, 20, 30, 40, 50]
    assert from_zero([], 0, 10).at(0.5) == 5


def test_what_is_far_apart_is_on_a_logarithmic_axis() -> None:
    axis = around([1.0, 100.0], 0, 300)
    assert axis.log
    assert axis.at(10) == pytest.approx(150)
    assert axis.at(0.001) == 0
    assert axis.ticks(5) == pytest.approx([1, 3, 10, 30, 100])
    assert not around([20.0, 40.0], 0, 300).log
    assert not around([0.0, 100.0], 0, 300).log


def test_an_axis_may_run_upwards() -> None:
    axis = around([1.0, 100.0], 200, 0)
    assert axis.at(100) < axis.at(10) < axis.at(1)


def test_small_differences_are_not_made_to_look_large() -> None:
    axis = around([0.76, 0.77], 0, 100, log=False, least=0.05)
    assert axis.high - axis.low == pytest.approx(0.05)


@pytest.mark.parametrize("most", [2, 4, 5, 9])
@pytest.mark.parametrize(
    "values",
    [[26.0, 27.0], [0.1, 7000.0], [5.0], [0.0], [1e-6, 1.0], [1e9, 3e12], [0.0, 1e-9]],
)
@pytest.mark.parametrize("log", [None, True])
def test_ticks_are_within_the_axis_and_not_too_many(
    values: list[float], most: int, log: bool | None
) -> None:
    axis = around(values, 0, 300, log)
    ticks = axis.ticks(most)
    assert 1 <= len(ticks) <= most
    slack = 1e-6 * (axis.high - axis.low)
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in ticks)
    assert all(math.isfinite(axis.at(tick)) for tick in ticks)
