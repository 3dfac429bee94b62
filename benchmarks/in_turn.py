"""Several ways to do the same, timed in turn, round by round: whatever else the machine does slows
all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

from pytest_benchmark.fixture import BenchmarkFixture
from report import Report

Work: TypeAlias = Callable[[], object]
Rival: TypeAlias = tuple[Work, float | None]
"""What it does, and how many times as fast ours is to be; None where that is only to be known."""


def time_in_turn(
    benchmark: BenchmarkFixture,
    report: Report,
    case: str,
    ours: Work,
    rivals: Mapping[str, Rival],
    rounds: int,
    cached: bool = True,
) -> None:
    """Time `ours` and, before every round of it, each of the rivals.

    cached: an untimed run before each fetches what it works on back into the cache.
    """
    times_ms: dict[str, list[float]] = {name: [] for name in rivals}

    def rivals_in_turn() -> None:
        for name, (work, _) in rivals.items():
            if cached:
                work()
            start = time.perf_counter()
            work()
            times_ms[name].append((time.perf_counter() - start) * 1e3)
        if cached:
            ours()

    warm_up = 3 if cached else 1
    benchmark.pedantic(ours, setup=rivals_in_turn, rounds=rounds, warmup_rounds=warm_up)
    for name, (_, wanted) in rivals.items():
        report.add_in_turn(benchmark, case, name, times_ms[name], wanted)
