"""Percentiles, ratios and how sure they are: a block bootstrap over the turns of a run.

Latencies that follow each other are alike: a machine that is slow for a second makes thirty of them
slow. To draw single ones again and again, as a plain bootstrap does, would make an interval several
times too narrow, so whole turns are drawn (Kuensch, "The Jackknife and the Bootstrap for General
Stationary Observations", Annals of Statistics 17, 1989).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_mtl.benchmark.result import Interval, Latency, Verdict

RESAMPLES = 1000
SAME = 0.03
"""What is within so much of 1 with all of its interval is as fast for every purpose."""

_SEED = 20261123  # the same samples give the same intervals
_CONFIDENCE = (2.5, 97.5)
_PERCENTILES = {50.0: 1, 90.0: 1, 95.0: 1, 99.0: 100, 99.9: 1000}  # and the frames that they need
_BLOCKS = 20

Samples = NDArray[np.float64]


def blocks(samples: Samples, count: int = _BLOCKS) -> list[Samples]:
    """Samples that follow each other, cut into so many turns at most; at least one."""
    return [part for part in np.array_split(samples, count) if part.size] or [samples]


def latency(turns: Sequence[Samples]) -> Latency:
    """The summary of a stage: of each turn, the milliseconds of its frames, at least one in all.

    Percentiles are interpolated linearly between ranks.
    """
    values = np.concatenate(turns)
    told = [q for q, least in _PERCENTILES.items() if values.size >= least]

    def summary(drawn: Samples) -> Samples:
        return np.append(np.percentile(drawn, told), drawn.mean())

    *found, mean_ms = _intervals(turns, summary)
    p50, p90, p95, *tail = found
    p99, p999 = (*tail, None, None)[:2]
    return Latency(
        count=int(values.size),
        mean=mean_ms,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        p999=p999,
        max_ms=float(values.max()),
    )


def jitter(turns: Sequence[Samples]) -> Interval:
    """By how much a value differs from the one before it in its turn, on average; 0 where no turn
    has two."""
    steps = [np.abs(np.diff(turn)) for turn in turns if turn.size > 1]
    return mean(steps) if steps else Interval(0.0, 0.0, 0.0)


def mean(turns: Sequence[Samples]) -> Interval:
    """The mean of all samples."""
    [found] = _intervals(turns, lambda drawn: np.array([drawn.mean()]))
    return found


def rate(frames: Sequence[int], seconds: Sequence[float]) -> Interval:
    """Frames a second, of the frames and the seconds of every turn."""
    pairs = np.array([frames, seconds], np.float64)
    drawn = pairs[:, _draws(len(frames))].sum(axis=2)
    low, high = np.percentile(drawn[0] / drawn[1], _CONFIDENCE)
    return Interval(float(pairs[0].sum() / pairs[1].sum()), float(low), float(high))


def ratio(ours: Sequence[float], others: Sequence[float]) -> Interval:
    """How many times as fast as the others we are, by times of the same rounds: the median of
    others / ours over the rounds, so that what slows a round slows both sides of its ratio.

    Args:
        ours, others: one time a round, such as a median, in the same unit; more than 0, and as many
            of each.
    """
    logs = np.log(np.asarray(others, np.float64) / np.asarray(ours, np.float64))
    medians = np.median(logs[_draws(logs.size)], axis=1)
    low, high = np.percentile(medians, _CONFIDENCE)
    return Interval(*(float(np.exp(each)) for each in (np.median(logs), low, high)))


def judge(found: Interval) -> Verdict:
    """Whether a ratio differs from 1 by more than chance."""
    if found.low > 1 - SAME and found.high < 1 + SAME:
        return "same"
    if found.low > 1:
        return "faster"
    return "slower" if found.high < 1 else "unclear"


def _intervals(turns: Sequence[Samples], of: Callable[[Samples], Samples]) -> list[Interval]:
    """Of every value of a statistic, its interval over turns that are drawn with replacement."""
    if len(turns) == 1:
        turns = blocks(turns[0])
    drawn = np.stack(
        [of(np.concatenate([turns[index] for index in draw])) for draw in _draws(len(turns))]
    )
    value = of(np.concatenate(turns))
    low, high = np.percentile(drawn, _CONFIDENCE, axis=0)
    return [Interval(*map(float, each)) for each in zip(value, low, high, strict=True)]


def _draws(count: int) -> NDArray[np.int64]:
    """(RESAMPLES, count) indices below `count`."""
    return np.random.default_rng(_SEED).integers(0, count, (RESAMPLES, count))
