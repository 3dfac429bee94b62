"""Threads of engine and kernels, up to one a core."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace

from curves.curve import curves_of
from curves.fit import Fit, fit
from curves.interleaved import Effort, Size, measure
from curves.network import Network, stages, street
from edge_mtl.benchmark.result import Curve

_WORTH = 1.1
"""A further thread is worth it that makes all this many times as fast."""


def threads(network: Network, effort: Effort) -> list[Curve]:
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        return []
    counts = effort.some([*(2**i for i in range(cores.bit_length()) if 2**i < cores), cores])
    with ExitStack() as stack:
        runs = []
        for count in counts:
            pipeline = stack.enter_context(replace(network, threads=count).open())
            runs.append(Size(count, stages(pipeline, street())))
        ms = measure(runs, effort)
    ms["in all"] = ms["preprocess"] + ms["engine"] + ms["head"]
    fits = {part: fit(counts, each) for part, each in ms.items()}
    return curves_of("threads", fits, cores, wall(fits["in all"], counts[-1]))


def wall(in_all: Fit, most: int) -> str:
    first, last = in_all.points[0].ms.value, in_all.points[-1].ms.value
    enough = next(n for n in range(1, 1000) if in_all.at(n) < _WORTH * in_all.at(n + 1))
    beyond = "; beyond what was measured" if enough > most else ""
    return (
        f"With {most} threads a frame takes {last:.1f} ms instead of {first:.1f} with one; thread "
        f"number {enough + 1} is the first that gains less than {_WORTH - 1:.0%}{beyond}."
    )
