"""How sure the medians of a benchmark's rounds are, and the ratio of two."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edge_mtl.benchmark.result import Interval
from edge_mtl.benchmark.statistics import latency

PARTS = 60
LEAST_ROUNDS = 4
"""Fewer say nothing of how sure they are."""


def medians_of_parts(rounds: Sequence[float]) -> list[float]:
    """Rounds that follow each other as so many medians at most: as much as an interval needs, of
    what may be thousands."""
    parts = np.array_split(np.asarray(rounds, np.float64), min(PARTS, len(rounds)))
    return [float(np.median(part)) for part in parts]


def times_as_fast(ours: Sequence[float], others: Sequence[float]) -> Interval | None:
    """How many times as fast ours are, of rounds that were not taken in turn: the ratio of the two
    medians; None of fewer rounds than tell how sure it is.

    The interval knows nothing of what changed between the first rounds and the others.
    """
    if min(len(ours), len(others)) < LEAST_ROUNDS:
        return None
    return quotient(*(latency([np.asarray(each, np.float64)]).p50 for each in (others, ours)))


def quotient(found: Interval, before: Interval) -> Interval:
    """`found` over `before`, which were measured apart. Both are more than 0.

    The distances to the ends of their intervals add up as squares of logarithms (Donner and Zou,
    "Closed-form confidence intervals for functions of the normal mean and standard deviation",
    Statistical Methods in Medical Research 21, 2012).
    """
    value = math.log(found.value / before.value)
    low = math.hypot(math.log(found.value / found.low), math.log(before.high / before.value))
    high = math.hypot(math.log(found.high / found.value), math.log(before.value / before.low))
    return Interval(*(math.exp(each) for each in (value, value - low, value + high)))
