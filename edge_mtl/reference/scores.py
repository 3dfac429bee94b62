"""Logits and scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LOGIT_LIMIT = 1e30
"""Logits are clipped to +-this before anything is computed with them: an infinite one, or one that
is not a number (it counts as the lowest), then never makes another value NaN."""

_EXPONENT_LIMIT = 200.0
_LOG2_E, _LN_2 = 1.4426950408889634, 0.6931471805599453
_TAYLOR = [1.0 / math.factorial(n) for n in reversed(range(10))]


def bounded_logits(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits within +-`LOGIT_LIMIT`; NaN counts as the lowest."""
    ordered = np.where(np.isnan(logits), np.float32(-LOGIT_LIMIT), logits)
    return ordered.clip(-LOGIT_LIMIT, LOGIT_LIMIT)


def exponential(exponents: NDArray[np.float64]) -> NDArray[np.float64]:
    """e to the power of each exponent; one beyond +-200 counts as the nearer of them.

    200 is far out of float32's reach. Made of basic operations in one order, because the exp of no
    two libraries gives the same bits: with r = exponent - n ln 2, 2^n times the Taylor series of
    e^r, which |r| < 0.35 cuts off at 1e-11.
    """
    limited = exponents.clip(-_EXPONENT_LIMIT, _EXPONENT_LIMIT)
    doublings = np.rint(limited * _LOG2_E)
    rest = limited - doublings * _LN_2
    power = np.zeros_like(rest)
    for coefficient in _TAYLOR:
        power = power * rest + coefficient
    return np.ldexp(power, doublings.astype(np.intc))


def bin_weights(exponents: NDArray[np.float32]) -> NDArray[np.float32]:
    """e to the power of exponents of at most 0; one below -80 counts as that.

    Made like `exponential`, for the precision of float32: the series is cut off at 1.2e-7.
    """
    limited = np.maximum(exponents, np.float32(-80.0))
    doublings = np.rint(limited * np.float32(_LOG2_E))
    rest = limited - doublings * np.float32(_LN_2)
    power = np.zeros_like(rest)
    for coefficient in _TAYLOR[-7:]:
        power = power * rest + np.float32(coefficient)
    return np.ldexp(power, doublings.astype(np.intc))


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores in [0, 1], of any shape; that of NaN is 0."""
    scores = 1.0 / (1.0 + exponential(-bounded_logits(logits).astype(np.float64)))
    return np.asarray(scores, np.float32)


def logit(score: float) -> float:
    """The logit of a score in [0, 1], infinite at its ends, as float32 can hold it."""
    if score in (0.0, 1.0):
        return math.inf if score else -math.inf
    return float(np.float32(math.log(score / (1.0 - score))))
