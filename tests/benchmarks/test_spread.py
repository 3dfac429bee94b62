"""Ratios of medians that were not taken in turn, and how sure they are."""

from __future__ import annotations

import numpy as np
import pytest
from spread import LEAST_ROUNDS, PARTS, medians_of_parts, quotient, times_as_fast

from edge_mtl.benchmark.result import Interval


def rounds(seed: int, scale: float = 1.0) -> list[float]:
    rng = np.random.default_rng(seed)
    return [float(each) for each in scale * rng.lognormal(0, 0.05, 200)]


def test_thousands_of_rounds_become_medians_in_their_order() -> None:
    parts = medians_of_parts([float(index) for index in range(10 * PARTS)])
    assert len(parts) == PARTS
    assert parts[:2] == [4.5, 14.5]
    assert medians_of_parts([3.0, 1.0]) == [3.0, 1.0]


def test_the_interval_is_around_the_ratio_of_the_medians() -> None:
    inside = 0
    for seed in range(12):
        found = times_as_fast(rounds(seed), rounds(seed + 100, scale=1.5))
        assert found is not None
        assert 1.45 < found.low < found.value < found.high < 1.55
        inside += found.low <= 1.5 <= found.high
    assert inside >= 9


def test_few_rounds_do_not_tell_how_sure_they_are() -> None:
    few = [1.0] * (LEAST_ROUNDS - 1)
    assert times_as_fast(few, rounds(0)) is None
    assert times_as_fast(rounds(0), few) is None


def test_a_quotient_is_less_sure_than_its_parts() -> None:
    found = quotient(Interval(4.0, 3.6, 4.4), Interval(2.0, 1.9, 2.1))
    assert found.value == pytest.approx(2.0)
    assert found.low < 3.6 / 2.0
    assert found.high > 4.4 / 2.0
    assert quotient(Interval(4.0, 4.0, 4.0), Interval(2.0, 2.0, 2.0)) == Interval(2.0, 2.0, 2.0)
