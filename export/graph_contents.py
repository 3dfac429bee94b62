"""What is in an ONNX graph, counted."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import onnx
from onnx import TensorProto, helper

_QUANTISING = ("QuantizeLinear", "DequantizeLinear")


class Edge(msgspec.Struct, frozen=True):
    """An input or an output. shape: with names, or "?", where it is free."""

    name: str
    dtype: str
    shape: list[int | str]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {'x'.join(map(str, self.shape))}"


class GraphContents(msgspec.Struct, frozen=True):
    """An ONNX network in figures.

    opsets: by domain. parameters: how many numbers its weights are, and weight_bytes their size.
    operators: how often each occurs, the commonest first.
    quantised: how many QuantizeLinear and DequantizeLinear nodes there are.
    """

    producer: str
    ir_version: int
    opsets: dict[str, int]
    inputs: list[Edge]
    outputs: list[Edge]
    parameters: int
    weight_bytes: int
    weight_types: list[str]
    operators: dict[str, int]
    quantised: dict[str, int]
    metadata: dict[str, str]


def contents_of(network: bytes) -> GraphContents:
    """Of a serialised network."""
    return graph_contents(onnx.load_from_string(network))


def graph_contents(model: onnx.ModelProto) -> GraphContents:
    """Count what a network has; graphs within nodes too."""
    operators: Counter[str] = Counter()
    weights: list[onnx.TensorProto] = []
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        weights += graph.initializer
        for node in graph.node:
            operators[f"{node.domain}::{node.op_type}" if node.domain else node.op_type] += 1
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting += attribute.graphs
                if node.op_type == "Constant" and attribute.HasField("t"):
                    weights.append(attribute.t)
    named = {weight.name for weight in model.graph.initializer}
    sizes = [math.prod(weight.dims) for weight in weights]
    bytes_each = [_bytes(weight.data_type) for weight in weights]
    return GraphContents(
        producer=f"{model.producer_name} {model.producer_version}".strip() or "unknown",
        ir_version=model.ir_version,
        opsets={each.domain or "ai.onnx": each.version for each in model.opset_import},
        inputs=[_edge(value) for value in model.graph.input if value.name not in named],
        outputs=[_edge(value) for value in model.graph.output],
        parameters=sum(sizes),
        weight_bytes=sum(n * each for n, each in zip(sizes, bytes_each, strict=True)),
        weight_types=sorted({_type(weight.data_type) for weight in weights}),
        operators=dict(operators.most_common()),
        quantised={name: operators[name] for name in _QUANTISING if operators[name]},
        metadata={each.key: each.value for each in model.metadata_props},
    )


def _edge(value: onnx.ValueInfoProto) -> Edge:
    kind = value.type.tensor_type
    shape = [each.dim_value or each.dim_param or "?" for each in kind.shape.dim]
    return Edge(value.name, _type(kind.elem_type), shape)


def _type(kind: int) -> str:
    return str(TensorProto.DataType.Name(kind)).lower()


def _bytes(kind: int) -> float:
    return float(helper.tensor_dtype_to_np_dtype(kind).itemsize) if kind else 0.0
