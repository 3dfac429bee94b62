"""Quantised edges: take the outermost Q/DQ off a graph, so that its input and outputs are 8-bit."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec
import onnx
from onnx import TensorProto, numpy_helper

from edge_mtl.spec import ModelSpec
from edge_mtl.tensor_spec import TensorSpec

_DTYPES: dict[int, Literal["uint8", "int8"]] = {
    TensorProto.UINT8: "uint8",
    TensorProto.INT8: "int8",
}


def strip_edges(model: onnx.ModelProto) -> None:
    """Make every input and every output that is quantised 8-bit, in place.

    The kernels do what the removed nodes did: `preprocess` writes quantised pixels, of planes too,
    `fused_head` reads quantised logits. Edges that are not quantised stay float.
    """
    graph = model.graph
    for value in graph.input:
        readers = [node for node in graph.node if value.name in node.input]
        if len(readers) == 1 and readers[0].op_type == "QuantizeLinear":
            _set_type(graph, value, readers[0])
            _rename_input(graph, readers[0].output[0], value.name)
            graph.node.remove(readers[0])
    for value in graph.output:
        writer = next(node for node in graph.node if value.name in node.output)
        if writer.op_type != "DequantizeLinear":
            continue
        quantized = writer.input[0]
        source = next(node for node in graph.node if quantized in node.output)
        if sum(quantized in node.input for node in graph.node) != 1:
            continue  # the network itself reads it too, under the name that it has
        _set_type(graph, value, writer)
        source.output[list(source.output).index(quantized)] = value.name
        graph.node.remove(writer)


class Edges(NamedTuple):
    """The tensors at the edges of a graph, as a `Manifest` has them."""

    input: TensorSpec
    planes: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def edge_tensors(model: onnx.ModelProto, spec: ModelSpec) -> Edges:
    """The inputs and the outputs of a graph as the kernels need them: dtype, scale, zero point."""
    graph = model.graph
    return Edges(
        _edge(graph, spec.input_tensor),
        tuple(_edge(graph, tensor) for tensor in spec.plane_tensors),
        tuple(_edge(graph, tensor) for tensor in spec.output_tensors),
    )


def _edge(graph: onnx.GraphProto, tensor: TensorSpec) -> TensorSpec:
    value = next(v for v in (*graph.input, *graph.output) if v.name == tensor.name)
    kind = value.type.tensor_type.elem_type
    if kind == TensorProto.FLOAT:
        return tensor
    if kind == TensorProto.FLOAT16:
        return msgspec.structs.replace(tensor, dtype="float16")
    # The node next to an 8-bit edge is the other half of the pair and knows the scale.
    node = next(
        node
        for node in graph.node
        if (node.op_type == "DequantizeLinear" and node.input[0] == tensor.name)
        or (node.op_type == "QuantizeLinear" and node.output[0] == tensor.name)
    )
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    scale, zero_point = constants[node.input[1]], constants[node.input[2]]
    return TensorSpec(
        tensor.name, tensor.shape, _DTYPES[kind], float(scale.item()), int(zero_point.item())
    )


def _set_type(graph: onnx.GraphProto, value: onnx.ValueInfoProto, node: onnx.NodeProto) -> None:
    """Give an edge the 8-bit type of a Q or DQ node's zero point."""
    zero_point = next(each for each in graph.initializer if each.name == node.input[2])
    value.type.tensor_type.elem_type = zero_point.data_type


def _rename_input(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new
