"""Ratios of turns: what fails, what is measured again, and bounds that have a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import msgspec
import numpy as np
import pytest
from gate.cases import CASES
from gate.ratios import WARM_UP, Case, Pair, Spend, measure, process_ms, processor_ms
from gate.run import GateRuns

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def spends(times_ms: Iterator[float]) -> Spend:
    return lambda: next(times_ms)


def case_of(ours: float, rival: Iterator[float], bound: float, at_most: bool = False) -> Case:
    pair = Pair(spends(cycle([ours])), spends(rival))
    return Case("rival over ours", bound, 10, lambda stack: pair, at_most)


def noise() -> Iterator[float]:
    rng = np.random.default_rng(0)
    while True:
        yield float(rng.uniform(1.8, 2.2))


def test_a_ratio_within_its_bound_is_measured_once() -> None:
    found = measure(case_of(1.0, noise(), bound=1.5))
    assert (found.passed, found.measured, found.turns) == (True, 1, 10)
    assert found.ratio.value == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize(("bound", "at_most"), [(2.5, False), (1.5, True)])
def test_a_ratio_beyond_its_bound_fails_after_a_second_time(bound: float, at_most: bool) -> None:
    found = measure(case_of(1.0, noise(), bound, at_most))
    assert (found.passed, found.measured, found.turns) == (False, 2, 20)
    assert "in 20 turns, measured 2 times" in found.told()
    assert f"expected {'at most' if at_most else 'at least'} {bound:g}, found 2" in found.told()


def test_a_ratio_that_may_hold_does_not_fail() -> None:
    """The bound lies within the interval: nobody can tell."""
    found = measure(case_of(1.0, noise(), bound=2.02))
    assert found.ratio.low < 2.02 < found.ratio.high
    assert found.passed


def test_a_disturbed_first_time_counts_with_the_second() -> None:
    """Eight of the first ten turns go wrong, none of the next ten."""
    warm_up = [2.0] * WARM_UP
    rival = iter([*warm_up, *([1.0] * 8 + [2.0] * 2), *[2.0] * 10])
    found = measure(case_of(1.0, rival, bound=1.5))
    assert (found.passed, found.measured, found.turns) == (True, 2, 20)


def test_what_was_opened_is_closed() -> None:
    closed = []

    def open_pair(stack: ExitStack) -> Pair:
        stack.callback(lambda: closed.append(True))
        return Pair(spends(cycle([1.0])), spends(cycle([2.0])))

    measure(Case("rival over ours", 1.0, 3, open_pair))
    assert closed == [True]


def test_a_time_is_for_one_time() -> None:
    calls = []
    assert processor_ms(lambda: calls.append(sum(range(1 << 12))), times=3)() > 0
    assert len(calls) == 3
    assert process_ms("pass")() > 0


def test_an_interpreter_that_fails_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        process_ms("raise SystemExit(3)")()


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_bounds_leave_room_to_every_run_that_was_kept() -> None:
    """A quarter, also beside processes that keep every core busy."""
    bounds = {case.name: case for case in CASES}
    for path in RESULTS.glob("*/gate.json"):
        for run in msgspec.json.decode(path.read_bytes(), type=GateRuns).runs:
            assert run.complaints == []
            for found in run.ratios.ratios:
                case = bounds[found.case]
                room = case.bound / found.ratio.value
                assert (room if case.at_most else 1 / room) >= 1.25, found
