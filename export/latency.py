"""How long each precision of a network takes on this machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from statistics import median

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.engines import Engine, open_engine

_LEAST_ROUNDS, _MOST_ROUNDS = 5, 60
_BUDGET_S = 4.0

Latencies = dict[str, dict[str, float]]
"""By precision and engine, the median latency of the network alone, in milliseconds."""


def latencies(bundles: Mapping[str, Bundle], engines: Sequence[str]) -> Latencies:
    """Run the networks in turn, so that whatever else the machine does slows all of them down.

    An engine that is not installed, or refuses one of the networks, is left out.

    bundles: by precision. engines: names in `ENGINES`.
    """
    with contextlib.ExitStack() as stack:
        opened: dict[tuple[str, str], Engine] = {}
        for engine in engines:
            ready = {}
            try:
                for precision, bundle in bundles.items():
                    ready[precision, engine] = open_engine(engine, bundle)
                    stack.callback(ready[precision, engine].close)
            except EdgeMtlError:
                continue
            opened.update(ready)
        times_ms: dict[tuple[str, str], list[float]] = {each: [] for each in opened}
        start = time.perf_counter()
        for turn in range(_MOST_ROUNDS):
            if turn >= _LEAST_ROUNDS and time.perf_counter() - start > _BUDGET_S:
                break
            for each, running in opened.items():
                # The first run finds its weights pushed out of the cache by the others.
                running.infer()
                begin = time.perf_counter()
                running.infer()
                times_ms[each].append((time.perf_counter() - begin) * 1e3)
    found: Latencies = {precision: {} for precision in bundles}
    for (precision, engine), times in times_ms.items():
        found[precision][engine] = round(median(times), 3)
    return found
