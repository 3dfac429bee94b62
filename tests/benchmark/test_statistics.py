from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.benchmark.result import Interval
from edge_mtl.benchmark.statistics import blocks, jitter, judge, latency, mean, rate, ratio

RUNS, TURNS, FRAMES = 100, 40, 15
TRUE_MS = 20.0


def disturbed_turns(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """Turns of a machine that is slower in some than in others, around a median of `TRUE_MS`."""
    slow = rng.normal(0.0, 0.1, TURNS)
    return [TRUE_MS * np.exp(each + rng.normal(0.0, 0.01, FRAMES)) for each in slow]


def covered(intervals: list[Interval], true: float) -> float:
    return float(np.mean([each.low <= true <= each.high for each in intervals]))


def test_intervals_hold_what_is_true_although_a_turn_is_slow_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_mtl.benchmark.statistics.RESAMPLES", 100)
    rng = np.random.default_rng(0)
    runs = [disturbed_turns(rng) for _ in range(RUNS)]
    assert covered([latency(turns).p50 for turns in runs], TRUE_MS) >= 0.88
    # Single frames, drawn as if each were measured on a machine of its own, know far too much.
    single = [[np.array([value]) for turn in turns for value in turn] for turns in runs]
    assert covered([latency(turns).p50 for turns in single], TRUE_MS) < 0.6


def test_the_same_samples_give_the_same_intervals() -> None:
    turns = disturbed_turns(np.random.default_rng(1))
    assert latency(turns) == latency(turns)


def test_percentiles_are_those_of_all_frames() -> None:
    values = np.random.default_rng(2).exponential(10.0, 2000)
    found = latency(np.split(values, 20))
    told = (found.p50, found.p90, found.p95, found.p99, found.p999)
    expected = np.percentile(values, (50, 90, 95, 99, 99.9))
    assert [each and each.value for each in told] == pytest.approx(expected.tolist())
    assert all(each is not None and each.low <= each.value <= each.high for each in told)
    assert (found.count, found.max_ms) == (2000, values.max())
    assert found.mean.value == pytest.approx(values.mean())


@pytest.mark.parametrize(
    ("frames", "p99", "p999"),
    [
        (1, False, False),
        (99, False, False),
        (100, True, False),
        (999, True, False),
        (1000, True, True),
    ],
)
def test_a_percentile_that_no_frame_lies_beyond_is_not_told(
    frames: int, p99: bool, p999: bool
) -> None:
    found = latency(blocks(np.arange(1.0, frames + 1)))
    assert (found.p99 is not None, found.p999 is not None) == (p99, p999)


def test_one_turn_is_cut_into_blocks() -> None:
    values = np.random.default_rng(3).normal(10.0, 1.0, 400)
    found = latency([values]).p50
    assert found.low < found.value < found.high
    assert latency([np.array([3.0])]).p50 == Interval(3.0, 3.0, 3.0)


def test_jitter_is_between_frames_that_follow_each_other() -> None:
    assert jitter([np.array([1.0, 3.0, 1.0]), np.array([50.0, 52.0])]).value == 2.0
    assert jitter([np.array([1.0]), np.array([9.0])]) == Interval(0.0, 0.0, 0.0)


def test_rates_are_frames_by_seconds() -> None:
    found = rate([10, 20, 30], [1.0, 1.0, 1.0])
    assert found.value == 20.0
    assert 10.0 <= found.low < 20.0 < found.high <= 30.0
    assert mean([np.array([1.0, 2.0]), np.array([6.0])]).value == 3.0


def test_a_ratio_stays_where_the_machine_slows_both() -> None:
    rng = np.random.default_rng(4)
    slow = np.exp(np.cumsum(rng.normal(0.0, 0.3, 40)))  # it wanders, to several times as slow
    ours = 10.0 * slow * rng.lognormal(0.0, 0.02, 40)
    others = 15.0 * slow * rng.lognormal(0.0, 0.02, 40)
    found = ratio(ours.tolist(), others.tolist())
    assert found.low < 1.5 < found.high
    assert found.high - found.low < 0.05
    assert judge(found) == "faster"
    assert judge(ratio(others.tolist(), ours.tolist())) == "slower"


def test_the_same_engine_twice_is_seldom_called_different() -> None:
    rng = np.random.default_rng(5)
    words = []
    for _ in range(200):
        ours, others = rng.lognormal(0.0, 0.2, (2, 24))
        words.append(judge(ratio(ours.tolist(), others.tolist())))
    assert sum(word in ("faster", "slower") for word in words) <= 20


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.98, 1.02, "same"),
        (1.01, 1.02, "same"),
        (1.01, 1.3, "faster"),
        (0.5, 0.99, "slower"),
        (0.9, 1.2, "unclear"),
    ],
)
def test_words(low: float, high: float, word: str) -> None:
    assert judge(Interval((low + high) / 2, low, high)) == word
