"""How large TensorRT-RTX makes engines: of a convolution, dense or depthwise, and of `driving-s`.

    python benchmarks/engine_sizes.py

Without a GPU. The size of an engine shows what its builder does with the weights: an INT8
convolution that holds more than its FP16 twin is computed as another one. Needs the extras
`tensorrt-rtx` and `train`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import shipped
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.export.tensorrt_builder import EngineRequest, build_engine

Precision = Literal["fp32", "fp16", "int8"]
CHANNELS = 512
CAPABILITIES = [("8.6",), ("8.6", "8.9", "12.0"), ("7.5",)]


def convolution(channels: int, groups: int, quantized: bool) -> bytes:
    """The ONNX graph of one convolution, 3x3, of `channels` to as many at 32x32.

    Args:
        groups: 1 for a dense one, `channels` for a depthwise one.
        quantized: Q/DQ before its input and its weights, those by channel.
    """
    edges = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, channels, 32, 32))
        for name in "xy"
    ]
    shape = (channels, channels // groups, 3, 3)
    values = {"w": np.random.default_rng(0).normal(size=shape).astype(np.float32)}
    nodes = []
    if quantized:
        values |= {
            "s": np.array(0.05, np.float32),
            "z": np.array(0, np.int8),
            "ws": np.full(channels, 0.03, np.float32),
            "wz": np.zeros(channels, np.int8),
        }
        nodes = [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
            helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
            helper.make_node("QuantizeLinear", ["w", "ws", "wz"], ["wq"], axis=0),
            helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=0),
        ]
    read = ["xd", "wd"] if quantized else ["x", "w"]
    nodes.append(helper.make_node("Conv", read, ["y"], group=groups, pads=[1] * 4))
    tensors = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "g", edges[:1], edges[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def engine_bytes(graph: bytes, precision: Precision, capabilities: tuple[str, ...]) -> int:
    """Of the engine; `graph` has its Q/DQ already where `precision` is int8."""
    request = EngineRequest("tensorrt_rtx", capabilities, half=precision != "fp32")
    return len(build_engine(graph, request)[0])


def command() -> None:
    network = shipped.fp32().network
    floats: tuple[Precision, ...] = ("fp32", "fp16")
    graphs: list[tuple[str, Precision, bytes]] = []
    for name, groups in (("dense", 1), ("depthwise", CHANNELS)):
        named = f"{name}, {CHANNELS} channels"
        graphs += [(named, each, convolution(CHANNELS, groups, False)) for each in floats]
        graphs.append((named, "int8", convolution(CHANNELS, groups, True)))
    graphs += [(f"{shipped.NAME}, before quantising", each, network) for each in floats]
    lines = [
        f"| engine of | precision | {' | '.join(' and '.join(each) for each in CAPABILITIES)} |",
        "|---|---|---:|---:|---:|",
    ]
    for name, precision, graph in graphs:
        sizes = (engine_bytes(graph, precision, each) for each in CAPABILITIES)
        cells = (f"{size / 1e6:.2f} MB" for size in sizes)
        lines.append(f"| {name} | {precision} | {' | '.join(cells)} |")
    print("\n".join(lines))


if __name__ == "__main__":
    command()
