"""What 8-bit edges are worth: driving-s as it ships beside the same network with float ones.

    python benchmarks/float_edges.py [--rounds 60]

The other bundle is made on the spot: a QuantizeLinear behind the input and a DequantizeLinear
before every output, which the kernels do for the one that ships. Both take turns; a ratio is of the
medians of a round.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_mtl import zoo
from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import open_source

ENGINES = "onnxruntime", "openvino"
STAGES = "preprocess", "engine", "head", "total"
THREADS, FRAMES_A_TURN = 2, 5


def with_float_edges(bundle: Bundle) -> Bundle:
    """The same network, its input and raw outputs in float."""
    model = onnx.load_from_string(bundle.network)
    graph = model.graph
    for value in graph.input:
        inside, reader = f"{value.name}_in_8_bits", _neighbour(graph, value.name)
        _rename(graph, value.name, inside)
        node = helper.make_node("QuantizeLinear", [value.name, *reader.input[1:]], [inside])
        graph.node.insert(0, node)
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    for value in graph.output:
        inside, writer = f"{value.name}_in_8_bits", _neighbour(graph, value.name)
        _rename(graph, value.name, inside)
        node = helper.make_node("DequantizeLinear", [inside, *writer.input[1:]], [value.name])
        graph.node.append(node)
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    onnx.checker.check_model(model)
    spec, manifest = bundle.spec, bundle.manifest
    return Bundle.create(
        bundle.path,
        {NETWORK: model.SerializeToString()},
        spec=spec,
        target=manifest.target,
        precision=manifest.precision,
        input=spec.input_tensor,
        outputs=spec.output_tensors,
    )


def _neighbour(graph: onnx.GraphProto, edge: str) -> onnx.NodeProto:
    """The Q or DQ node beside an 8-bit edge, whose further inputs are its scale and zero point."""
    found: onnx.NodeProto = next(
        node
        for node in graph.node
        if (node.op_type == "DequantizeLinear" and node.input[0] == edge)
        or (node.op_type == "QuantizeLinear" and node.output[0] == edge)
    )
    return found


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == old:
                    names[i] = new


def turn(pipeline: Pipeline, image: NDArray[np.uint8]) -> dict[str, float]:
    """The median of every stage in milliseconds; the first frame is not counted."""
    pipeline(image)
    rows = []
    for _ in range(FRAMES_A_TURN):
        start = time.perf_counter()
        stages_ms = dict(pipeline(image).stages_ms)
        rows.append({**stages_ms, "total": (time.perf_counter() - start) * 1e3})
    return {stage: median(row[stage] for row in rows) for stage in STAGES}


def compare(name: str, bundle: Bundle, image: NDArray[np.uint8], rounds: int) -> None:
    with (
        Pipeline.from_bundle(bundle, name, THREADS) as ours,
        Pipeline.from_bundle(with_float_edges(bundle), name, THREADS) as other,
    ):
        same = ours(image).masks["segmentation"].labels == other(image).masks["segmentation"].labels
        print(f"{name}: {same.mean():.3%} of the pixels have the same class")
        turns = [(turn(ours, image), turn(other, image)) for _ in range(rounds)]
    for stage in STAGES:
        eight_bit, floating = np.array([[each[stage] for each in pair] for pair in turns]).T
        low, middle, high = np.percentile(floating / eight_bit, (25, 50, 75))
        print(
            f"  {stage:10} {np.median(eight_bit):7.3f} ms, float {np.median(floating):7.3f} ms: "
            f"{middle:.2f} times as fast (quartiles of the rounds {low:.2f}, {high:.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    frame = open_source("rendered:width=1280,height=720,frames=1").read()
    assert frame is not None
    bundle = Bundle.open(zoo.locate("driving-s", ".emtl"))
    for name in ENGINES:
        compare(name, bundle, frame.image, rounds)


if __name__ == "__main__":
    main()
