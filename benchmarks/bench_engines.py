"""Every engine that is installed, alone, on the network that ships, in turn.

    pytest benchmarks/bench_engines.py

`driving-s` on a frame of 1280x720, with one thread and with two. Beside each of our engines stand
the others, its own library as its tutorial calls it, and the float network in PyTorch. Engines of
the same network have to find the same before any is timed.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from importlib.util import find_spec

import numpy as np
import pytest
import shipped
from in_turn import Rival, time_in_turn
from pytest_benchmark.fixture import BenchmarkFixture
from report import Report
from rivals.bare_engines import BARE
from trained_logits import FRAME_SIZE, rendered_frames

from edge_mtl import ops, reference
from edge_mtl.network.engine import TorchEngine
from edge_mtl.placement import Placement
from edge_mtl.runtime.engines import ENGINES, Engine, open_engine

ROUNDS = 40
NO_SLOWER = 0.95  # than the library without us
APART = 0.02  # of all raw values may differ by more than two steps of 8 bits

INSTALLED = [
    name
    for name, entry in ENGINES.items()
    if entry.suits(shipped.int8()) and find_spec(entry.module)
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.benchmark(group="engines")
def test_an_engine_alone(
    benchmark: BenchmarkFixture, report: Report, name: str, threads: int
) -> None:
    with ExitStack() as stack:
        engines = {each: _open(stack, each, threads) for each in INSTALLED}
        ours = engines.pop(name)
        for each in engines.values():
            assert _apart(ours, each) <= APART
        rivals: dict[str, Rival] = {each: (engine.infer, None) for each, engine in engines.items()}
        if name in BARE:
            bare = BARE[name](shipped.int8(), ours.image, threads)
            rivals[f"{name} without edge-mtl"] = bare, NO_SLOWER
        network = shipped.float_network()
        rivals["PyTorch FP32"] = TorchEngine(network.eval(), network.spec, threads).infer, 1.0
        case = f"driving-s, {name}, {threads} thread{'s' * (threads > 1)}"
        time_in_turn(benchmark, report, case, ours.infer, rivals, ROUNDS)


def _open(stack: ExitStack, name: str, threads: int) -> Engine:
    """With a frame in it, and what the network makes of it."""
    engine = stack.enter_context(closing(open_engine(name, shipped.int8(), threads=threads)))
    spec = shipped.int8().spec.input
    frame = rendered_frames()[0]
    preprocess = ops.Preprocessor(spec, engine.input_tensor)
    preprocess([frame], [Placement.fit(FRAME_SIZE, spec)], engine.image)
    engine.infer()
    return engine


def _apart(first: Engine, second: Engine) -> float:
    """The share of raw values that differ by more than two steps."""
    far = values = 0
    for tensor in first.output_tensors:
        ours, others = (
            reference.dequantise(tensor, each.outputs[tensor.name]) for each in (first, second)
        )
        far += int((np.abs(ours - others) > 2.5 * tensor.scale).sum())
        values += ours.size
    return far / values
