from __future__ import annotations

import numpy as np
import pytest
from curves.fit import Fit, fit, reaches

SIZES = np.array([100.0, 225.0, 400.0, 900.0, 1600.0, 3600.0])


def measured(
    exponent: float,
    scale: float,
    fixed: float,
    sizes: np.ndarray = SIZES,
    noise: float = 0.02,
    seed: int = 0,
) -> np.ndarray:
    """30 rounds of a known curve with noise of each size and of the whole round."""
    rng = np.random.default_rng(seed)
    ms = scale * sizes**exponent + fixed
    both = rng.normal(0, noise, (30, len(sizes))) + rng.normal(0, 0.1, (30, 1))
    return np.asarray(ms * np.exp(both))


def fitted(*curve: float, **how: object) -> Fit:
    return fit(SIZES, measured(*curve, **how))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exponent", "scale", "fixed"),
    [(1.0, 0.01, 0.0), (0.5, 0.3, 0.0), (2.0, 1e-5, 0.0), (-0.8, 50.0, 0.0)],
)
def test_a_power_law_is_found_without_a_fixed_part(
    exponent: float, scale: float, fixed: float
) -> None:
    found = fitted(exponent, scale, fixed)
    assert found.exponent.value == pytest.approx(exponent, abs=0.02)
    assert found.fixed_ms == 0
    assert found.at(700) == pytest.approx(scale * 700**exponent, rel=0.1)


@pytest.mark.parametrize(
    ("exponent", "scale", "fixed"), [(1.0, 0.01, 5.0), (2.0, 1e-5, 10.0), (-1.0, 500.0, 1.0)]
)
def test_a_fixed_part_is_found_where_there_is_one(
    exponent: float, scale: float, fixed: float
) -> None:
    found = fitted(exponent, scale, fixed)
    assert found.exponent.low <= exponent <= found.exponent.high
    assert found.exponent.value == pytest.approx(exponent, abs=0.15)
    assert found.fixed_ms == pytest.approx(fixed, rel=0.25)


@pytest.mark.parametrize("seed", range(8))
def test_a_flat_curve_has_the_exponent_zero(seed: int) -> None:
    found = fitted(0.0, 3.0, 0.0, seed=seed)
    assert found.exponent.value == pytest.approx(0, abs=0.02)
    assert found.exponent.low <= 0 <= found.exponent.high
    assert found.at(1e4) == pytest.approx(3, rel=0.2)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    inside = 0
    for seed in range(60):
        exponent = fitted(0.7, 0.1, 0.0, seed=seed, noise=0.05).exponent
        inside += exponent.low <= 0.7 <= exponent.high
    assert inside >= 55  # of 60; 57 are to be expected, and these draws are always the same


def test_more_noise_makes_a_wider_interval() -> None:
    quiet, loud = (fitted(1.0, 0.01, 0.0, noise=noise).exponent for noise in (0.01, 0.1))
    assert loud.high - loud.low > 3 * (quiet.high - quiet.low)


def test_a_curve_that_is_no_power_law_has_a_wide_interval() -> None:
    """Steps, as of caches, that no round scatters over."""
    steps = np.array([1.0, 1.3, 0.8, 1.25, 0.8, 1.1])
    stepped = fit(SIZES, measured(1.0, 0.01, 0.0, noise=0.001) * steps).exponent
    smooth = fit(SIZES, measured(1.0, 0.01, 0.0, noise=0.001)).exponent
    assert stepped.high - stepped.low > 20 * (smooth.high - smooth.low)


def test_two_sizes_give_a_power_law_and_one_gives_an_error() -> None:
    two = SIZES[:2]
    found = fit(two, measured(-0.9, 50.0, 0.0, two, noise=0.0))
    assert found.exponent.value == pytest.approx(-0.9)
    assert found.fixed_ms == 0
    with pytest.raises(ValueError, match="two sizes at least, found 1"):
        fit(SIZES[:1], measured(1.0, 1.0, 0.0)[:, :1])


def test_points_are_medians_with_intervals_around_them() -> None:
    ms = measured(1.0, 0.01, 0.0)
    ms[0] *= 100  # one round in which something else ran
    points = fit(SIZES, ms).points
    assert [point.x for point in points] == list(SIZES)
    for point, middle in zip(points, np.median(ms, axis=0), strict=True):
        assert point.ms.value == pytest.approx(middle)
        assert point.ms.low <= middle <= point.ms.high < 1.2 * middle


def test_a_limit_is_reached_where_curves_together_pass_it() -> None:
    linear, constant = fitted(1.0, 0.01, 0.0), fitted(0.0, 3.0, 0.0)
    alone = reaches([linear], 20)
    together = reaches([linear, constant], 23)
    assert alone is not None
    assert together is not None
    assert alone.value == pytest.approx(2000, rel=0.05)
    assert together.value == pytest.approx(2000, rel=0.1)
    assert alone.low <= alone.value <= alone.high
    assert reaches([fitted(0.0, 3.0, 0.0, noise=1e-6)], 5) is None
