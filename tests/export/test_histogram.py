from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.export.histogram import Histogram, Range

Choice = Callable[[Histogram, bool], Range]
CHOICES: dict[str, Choice] = {
    "percentile": lambda histogram, signed: histogram.percentile(99.9, signed),
    "mse": Histogram.least_squares,
    "entropy": Histogram.entropy,
}
each_choice = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)


def histogram_of(*parts: NDArray[np.floating]) -> Histogram:
    histogram = Histogram()
    for part in parts:
        values = part.astype(np.float32)
        histogram.add(values, float(values.min()), float(values.max()))
    return histogram


def error(values: NDArray[np.floating], span: Range) -> float:
    """The mean squared error of 255 steps over a range."""
    low, high = span
    scale = (high - low) / 255
    zero = round(-low / scale)
    steps = np.clip(np.rint(values / scale) + zero, 0, 255)
    return float(np.mean(((steps - zero) * scale - values) ** 2))


def outliers(seed: int = 0) -> NDArray[np.floating]:
    """What a ReLU leaves of a normal distribution, and one value far away."""
    values = np.maximum(np.random.default_rng(seed).normal(size=100_000), 0)
    values[0] = 60.0
    return values


def test_frames_in_any_order_and_of_any_reach_give_one_histogram() -> None:
    rng = np.random.default_rng(0)
    parts = [np.zeros(10), rng.normal(size=1000), 37 * rng.normal(size=1000), np.array([1000.0])]
    once, parted, backwards = (
        histogram_of(np.concatenate(parts)),
        histogram_of(*parts),
        histogram_of(*parts[::-1]),
    )
    for other in (parted, backwards):
        np.testing.assert_array_equal(other._counts, once._counts)
        assert (other.low, other.high, other._reach) == (once.low, once.high, once._reach)
    assert once._counts.sum() == 2011


def test_the_largest_float_below_the_reach_is_counted() -> None:
    below = np.nextafter(np.float32(4), np.float32(0))
    assert histogram_of(np.array([below, -below, 3.0]))._counts[[0, -1]].tolist() == [1, 1]


@pytest.mark.parametrize("choice", [CHOICES["percentile"], CHOICES["entropy"]])
def test_a_single_far_value_does_not_cost_all_others_their_steps(choice: Choice) -> None:
    values = outliers()
    low, high = choice(histogram_of(values), False)
    assert low == 0.0  # no step is wasted below what a ReLU leaves
    assert 2.5 < high < 8.0
    assert choice(histogram_of(values - 1.0), True)[1] < 8.0


@each_choice
def test_signed_ranges_are_symmetric_and_unsigned_ones_follow_the_values(choice: Choice) -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 50_000)
    low, high = choice(histogram_of(values), True)
    assert -low == pytest.approx(high, rel=0.7)  # as far as the extremes allow
    low, high = choice(histogram_of(values), False)
    assert -2.6 < low <= 0.0
    assert 4.0 < high < 7.0


@each_choice
def test_values_that_are_all_the_same_have_a_range(choice: Choice) -> None:
    assert choice(histogram_of(np.zeros(100)), False) == (0.0, 0.0)
    low, high = choice(histogram_of(np.full(100, -3.0)), False)
    assert low == pytest.approx(-3.0, rel=0.01)
    assert high == 0.0


def test_least_squares_has_the_least_squared_error() -> None:
    rng = np.random.default_rng(2)
    for values in (rng.laplace(size=500_000), np.maximum(rng.laplace(size=500_000), 0)):
        histogram = histogram_of(values)
        best = error(values, histogram.least_squares(False))
        others = [histogram.percentile(p, False) for p in (99.0, 99.9, 99.99, 100.0)]
        others.append((min(histogram.low, 0.0), histogram.high))
        assert best <= 1.02 * min(error(values, each) for each in others)
        assert best < 0.8 * error(values, others[-1])


def test_a_percentile_keeps_that_share() -> None:
    values = np.random.default_rng(3).normal(size=200_000)
    low, high = histogram_of(values).percentile(99.0, False)
    assert np.mean((values < low) | (values > high)) == pytest.approx(0.01, abs=0.001)
    low, high = histogram_of(values).percentile(99.0, True)
    assert np.mean((values < low) | (values > high)) == pytest.approx(0.01, abs=0.001)
    assert histogram_of(values).percentile(100.0, False) == pytest.approx(
        (values.min(), values.max()), abs=0.003
    )
