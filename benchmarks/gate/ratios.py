"""Two ways to do the same in turn, and a bound for the ratio of the times that they take.

A time is what the processor spends on it: who waits for a core, as on a busy machine, is not slow.
What slows the processor itself, such as a neighbour in its caches, slows both sides of a turn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import msgspec

from edge_mtl.benchmark.result import Interval
from edge_mtl.benchmark.statistics import ratio

WARM_UP = 2

Spend: TypeAlias = Callable[[], float]
"""Does some work; gives the milliseconds that the processor spent on it."""


class Pair(NamedTuple):
    """What is measured, and what it is measured by."""

    ours: Spend
    rival: Spend


@dataclass(frozen=True, slots=True)
class Case:
    """A row of `cases.CASES`.

    name: told as "RIVAL over OURS".
    bound: what `rival / ours` reaches at least or, with `at_most`, at most.
    turns: of both; as many again where the first ones say that the bound is broken.
    open: makes the two sides, and has the stack close them.
    needs: packages without which there is nothing to measure.
    instructions: the processor needs one of them; empty for any processor.
    """

    name: str
    bound: float
    turns: int
    open: Callable[[ExitStack], Pair]
    at_most: bool = False
    needs: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()


class RatioFound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ratio: rival / ours, the median over the turns. measured: how often, of which all counts."""

    case: str
    ratio: Interval
    bound: float
    at_most: bool
    turns: int
    measured: int = 1

    @property
    def passed(self) -> bool:
        """Whether the bound may hold: the gate fails where all of the interval is beyond it."""
        return self.ratio.low <= self.bound if self.at_most else self.ratio.high >= self.bound

    def told(self) -> str:
        """What is wrong and what to do, in a line."""
        found = f"{self.ratio.value:.3g} ({self.ratio.low:.3g} to {self.ratio.high:.3g})"
        return (
            f"{self.case}: expected {'at most' if self.at_most else 'at least'} {self.bound:g}, "
            f"found {found} in {self.turns} turns, measured {self.measured} times; make it "
            "cheaper, or change the bound in benchmarks/gate/cases.py and say why"
        )


def measure(case: Case) -> RatioFound:
    """In turn, the order changing from turn to turn; once more where the bound is broken."""
    with ExitStack() as stack:
        pair = case.open(stack)
        for _ in range(WARM_UP):
            pair.ours(), pair.rival()
        ours: list[float] = []
        rival: list[float] = []
        _take_turns(pair, case.turns, ours, rival)
        found = judge(case, ours, rival)
        if not found.passed:
            _take_turns(pair, case.turns, ours, rival)
            found = judge(case, ours, rival, measured=2)
    return found


def judge(
    case: Case, ours: Sequence[float], rival: Sequence[float], measured: int = 1
) -> RatioFound:
    """The times of every turn, held against the bound."""
    return RatioFound(case.name, ratio(ours, rival), case.bound, case.at_most, len(ours), measured)


def processor_ms(work: Callable[[], object], times: int = 1) -> Spend:
    """Spends what all threads of this process need to do some work so many times; for one time."""

    def spend() -> float:
        start = time.process_time_ns()
        for _ in range(times):
            work()
        return (time.process_time_ns() - start) / 1e6 / times

    return spend


def process_ms(code: str) -> Spend:
    """Spends what a new interpreter needs that runs some code and nothing else."""

    def spend() -> float:
        process = subprocess.Popen([sys.executable, "-c", code])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"python -c {code!r} ended with {process.returncode}")
        return (usage.ru_utime + usage.ru_stime) * 1e3

    return spend


def _take_turns(pair: Pair, turns: int, ours: list[float], rival: list[float]) -> None:
    sides = [(pair.ours, ours), (pair.rival, rival)]
    for _ in range(turns):
        for spend, times_ms in sides:
            times_ms.append(spend())
        sides.reverse()
