"""Frames a second with several streams at once, and several frames at a time in each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

from edge_mtl.benchmark.result import Throughput
from edge_mtl.benchmark.statistics import rate
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame

_SPANS = 10  # of as many batches each, whose rates the interval is over


def doubled(most: int) -> Iterator[int]:
    """1, 2, 4, ... and `most`."""
    number = 1
    while number < most:
        yield number
        number *= 2
    yield most


def throughput(
    open_pipelines: Callable[[int, int], list[Pipeline]],
    frames: Sequence[Frame],
    seconds: float,
    most_streams: int,
) -> list[Throughput]:
    """Measure `seconds` for each of 1 to `most_streams` streams and, where the engine takes more
    than one frame, for each of 1 to as many as it takes, by doubling.

    Args:
        open_pipelines: see `Contender.open`.
    """
    found: list[Throughput] = []
    for streams in doubled(most_streams):
        with ExitStack() as stack:
            pipelines = open_pipelines(streams, 1)
            for pipeline in pipelines:
                stack.callback(pipeline.close)
            batches = doubled(min(pipeline.most_frames for pipeline in pipelines))
            found += [_measure(pipelines, frames, seconds, batch) for batch in batches]
    return found


def _measure(
    pipelines: Sequence[Pipeline], frames: Sequence[Frame], seconds: float, batch: int
) -> Throughput:
    together = [frames[index % len(frames)] for index in range(batch)]
    for pipeline in pipelines:
        pipeline.batch(together)
    start = time.perf_counter()
    with ThreadPoolExecutor(len(pipelines)) as pool:
        ends = list(pool.map(lambda each: _loop(each, together, start + seconds), pipelines))
    times_ms = np.concatenate([np.diff(each, prepend=start) * 1e3 for each in ends])
    ended = np.sort(np.concatenate(ends)) - start
    spans = np.array_split(np.diff(ended, prepend=0.0), min(_SPANS, ended.size))
    return Throughput(
        streams=len(pipelines),
        batch=batch,
        frames_per_second=rate(
            [batch * span.size for span in spans], [float(span.sum()) for span in spans]
        ),
        p50_ms=float(np.median(times_ms)),
    )


def _loop(pipeline: Pipeline, together: Sequence[Frame], until: float) -> list[float]:
    """When each batch was done, at least one."""
    ends: list[float] = []
    while not ends or ends[-1] < until:
        pipeline.batch(together)
        ends.append(time.perf_counter())
    return ends
