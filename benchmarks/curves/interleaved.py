"""Costs at several sizes, measured in turn: whatever else the machine does hits all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Each = TypeVar("Each")

Run = Callable[[], Mapping[str, float]]
"""Does once what is measured, and says how many milliseconds each part of it took."""


@dataclass(frozen=True)
class Size:
    """Something of a size, ready to run."""

    x: float
    run: Run


@dataclass(frozen=True)
class Effort:
    """rounds: how often every size has its turn. turn_s: how long a turn lasts, at least one run.
    quick: three sizes of each quantity alone, to see that all works."""

    rounds: int
    turn_s: float
    quick: bool = False

    def some(self, sizes: Sequence[Each]) -> Sequence[Each]:
        """Those that are measured."""
        return sizes[:3] if self.quick else sizes


def measure(sizes: Sequence[Size], effort: Effort) -> dict[str, NDArray[np.float64]]:
    """By part, (rounds, sizes) milliseconds: medians of the runs of a turn.

    Every second round goes backwards, so that none is always behind the largest. The first run of
    a turn does not count: it finds its data pushed out of the caches by the others.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for turn in range(effort.rounds):
        order = range(len(sizes))
        for index in reversed(order) if turn % 2 else order:
            for part, ms in _turn(sizes[index].run, effort.turn_s).items():
                empty = np.zeros((effort.rounds, len(sizes)))
                found.setdefault(part, empty)[turn, index] = ms
    return found


def _turn(run: Run, seconds: float) -> dict[str, float]:
    run()
    end = time.perf_counter() + seconds
    runs = [run()]
    while time.perf_counter() < end:
        runs.append(run())
    return {part: float(np.median([each[part] for each in runs])) for part in runs[0]}
