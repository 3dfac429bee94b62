"""ms = scale * x ** exponent + fixed through measured costs, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mtl.benchmark.result import Interval, Point

Floats = NDArray[np.float64]

DRAWS = 1000
_COARSE = np.concatenate([np.arange(-2.0, -0.2, 0.05), np.arange(0.25, 4.01, 0.05)])
"""Exponents that are tried beside a fixed part. Around 0 the two are the same thing."""
_FINE = np.arange(-0.05, 0.0501, 0.002)
_LEAST_FOR_FIXED = 4
_CRITICAL = 10.0
"""The 95 % point of F with 1 and 3 degrees of freedom, those of six sizes and three parameters."""
_REACH = 100
"""So many times the largest measured size a wall is looked for."""


@dataclass(frozen=True)
class Fit:
    """exponent: with its 95 % interval. draws: (DRAWS, 3) exponent, scale and fixed part of the
    same costs drawn again and again."""

    points: tuple[Point, ...]
    exponent: Interval
    scale: float
    fixed_ms: float
    draws: Floats

    def at(self, x: float) -> float:
        """Milliseconds at a size."""
        return float(self.scale * x**self.exponent.value + self.fixed_ms)


def fit(x: Sequence[float], ms: Floats) -> Fit:
    """Fit the medians over rounds of costs that were measured in turn.

    Least squares of the relative error; a fixed part only where four sizes or more show one, by an
    F test against the scatter of rounds and what the curve misses. The interval is that of a
    bootstrap: rounds are drawn whole, as noise hits all sizes of a round, and what the fit misses
    is dealt out again among the sizes, so that a curve that is no power law has a wide one.

    Args:
        x: the sizes.
        ms: (rounds, sizes), above zero.

    Raises:
        ValueError: there are fewer than two sizes.
    """
    if len(x) < 2:
        raise ValueError(f"a curve takes two sizes at least, found {len(x)}; measure more of them")
    rng = np.random.default_rng(0)
    rounds, sizes = ms.shape
    unit = float(np.exp(np.log(x).mean()))
    relative = np.asarray(x, np.float64) / unit
    middle = np.median(ms, axis=0)
    drawn = np.median(ms[rng.integers(0, rounds, (DRAWS, rounds))], axis=1)
    noise = float(np.log(drawn).var(axis=0).mean())
    with_fixed = _has_fixed(relative, middle, noise)
    parameters = 3 if with_fixed else 2
    found = _solve(relative, middle[None], with_fixed)
    missed = np.log(middle) - np.log(_values(relative, found)[0])
    spare = sizes - parameters
    spread = np.sqrt(sizes / spare) if spare else 0.0
    dealt = missed[rng.integers(0, sizes, (DRAWS, sizes))] * spread
    draws = _solve(relative, drawn * np.exp(dealt), with_fixed)
    for each in (found, draws):
        each[:, 1] *= unit ** -each[:, 0]
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    exponent, scale, fixed = (float(each) for each in found[0])
    return Fit(
        tuple(
            Point(float(size), Interval(*map(float, values)))
            for size, *values in zip(x, middle, low, high, strict=True)
        ),
        interval(exponent, draws[:, 0]),
        scale,
        fixed,
        draws,
    )


def interval(value: float, draws: Floats) -> Interval:
    """A value with the middle 95 % of what was drawn."""
    low, high = np.percentile(draws, (2.5, 97.5), method="nearest")  # some may be infinite
    return Interval(value, min(value, float(low)), max(value, float(high)))


def reaches(fits: Sequence[Fit], limit_ms: float) -> Interval | None:
    """The size from which on curves of one quantity take more than so long together, as a value
    and the 95 % interval; None where not even a hundred times the largest measured size does."""
    sizes = [point.x for point in fits[0].points]
    x = np.geomspace(min(sizes) / 100, max(sizes) * _REACH, 4000)
    middle = np.sum([[each.at(size) for size in x] for each in fits], axis=0)
    value = _crossing(x, middle[None], limit_ms)[0]
    if np.isinf(value):
        return None
    together = np.zeros((DRAWS, len(x)))
    for each in fits:
        together += _values(x, each.draws)
    return interval(float(value), _crossing(x, together, limit_ms))


def _crossing(x: Floats, ms: Floats, limit_ms: float) -> Floats:
    """(N,) by row of (N, sizes) the first size above the limit; infinite where none is."""
    above = ms > limit_ms
    return np.where(above.any(axis=1), x[above.argmax(axis=1)], np.inf)


def _has_fixed(x: Floats, ms: Floats, noise: float) -> bool:
    """Whether a fixed part explains more than chance would. noise: the variance of log ms."""
    spare = len(x) - 3
    if len(x) < _LEAST_FOR_FIXED:
        return False
    without, beside = (
        float(np.square(np.log(ms) - np.log(_values(x, _solve(x, ms[None], fixed))[0])).sum())
        for fixed in (False, True)
    )
    return without - beside > _CRITICAL * max(noise, beside / spare)


def _values(x: Floats, parameters: Floats) -> Floats:
    """(N, sizes) of N rows of exponent, scale and fixed part."""
    exponent, scale, fixed = parameters.T[:, :, None]
    return np.asarray(scale * x**exponent + fixed)


def _solve(x: Floats, ms: Floats, with_fixed: bool) -> Floats:
    """(N, 3) exponent, scale and fixed part of N rows of costs (N, sizes)."""
    if not with_fixed:
        logs = np.log(x) - np.log(x).mean()
        exponent = (np.log(ms) * logs).sum(axis=1) / np.square(logs).sum()
        scale = np.exp((np.log(ms) - exponent[:, None] * np.log(x)).mean(axis=1))
        return np.stack([exponent, scale, np.zeros_like(scale)], axis=1)
    tried = np.broadcast_to(_COARSE, (len(ms), len(_COARSE)))
    best = _best(x, ms, tried)
    return _best(x, ms, best[:, :1] + _FINE)


def _best(x: Floats, ms: Floats, exponents: Floats) -> Floats:
    """(N, 3) the best of N rows of exponents (N, tried): for each one scale and fixed part are
    linear least squares of the relative error, neither below zero."""
    grown = x ** exponents[:, :, None] / ms[:, None]  # (N, tried, sizes)
    constant = 1 / ms[:, None]
    gg, gc = (grown * grown).sum(-1), (grown * constant).sum(-1)
    cc, g, c = (constant * constant).sum(-1), grown.sum(-1), constant.sum(-1)
    determinant = np.maximum(gg * cc - gc * gc, 1e-300)
    scale, fixed = (g * cc - c * gc) / determinant, (c * gg - g * gc) / determinant
    scale, fixed = (
        np.where(fixed < 0, g / gg, np.where(scale < 0, 0, scale)),
        np.where(fixed < 0, 0, np.where(scale < 0, c / cc, fixed)),
    )
    errors = np.square(scale[..., None] * grown + fixed[..., None] * constant - 1).sum(-1)
    rows, first = np.arange(len(ms)), errors.argmin(axis=1)
    return np.stack([each[rows, first] for each in (exponents, scale, fixed)], axis=1)
