"""Precision, recall and F1 from counts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray


class Scores(msgspec.Struct, kw_only=True):
    """precision: of what was found, the share that is right; recall: of what is labelled, the share
    that was found; f1: their harmonic mean. In [0, 1]; 0 where nothing was found or labelled."""

    precision: float
    recall: float
    f1: float


def scores(hits: float, found: float, wanted: float) -> Scores:
    """From how many were found, how many are labelled, and how many of both are the same."""
    return Scores(
        precision=float(hits / max(1, found)),
        recall=float(hits / max(1, wanted)),
        f1=float(2 * hits / max(1, found + wanted)),
    )


def by_class(
    confusion: NDArray[np.int64] | NDArray[np.float64], classes: Iterable[str]
) -> dict[str, Scores]:
    """The scores of every class that the labels hold, from (labelled, found) counts (C, C)."""
    hits, wanted, found = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    return {
        name: scores(hits[i], found[i], wanted[i])
        for i, name in enumerate(classes)
        if wanted[i] > 0
    }


def macro(per_class: Iterable[Scores]) -> Scores:
    """The mean over classes of each score: a rare class weighs as much as a common one."""
    rows = [(each.precision, each.recall, each.f1) for each in per_class]
    precision, recall, f1 = np.mean(rows, axis=0).tolist() if rows else (0.0, 0.0, 0.0)
    return Scores(precision=precision, recall=recall, f1=f1)


def mean(values: Iterable[float]) -> float:
    """Their mean, 0 where there are none."""
    listed = list(values)
    return float(np.mean(listed)) if listed else 0.0
