"""The layers of an ONNX graph: what is quantised together or stays float together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import onnx

from edge_mtl.export.qdq_placement import CONVOLUTIONS, quantized_nodes
from edge_mtl.export.schemes import Scheme

_WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")


@dataclass(frozen=True, slots=True)
class Layer:
    """An operator with weights and what follows it up to the next ones: activation, sum, pooling.

    name: that of its weight, as the network has it, or of its node.
    nodes: the names of those of its nodes that the scheme quantises.
    outputs: the outputs of the graph that depend on it.
    cost: about what it takes to compute: multiplications, and values read and written, each worth
        `_PER_VALUE` multiplications, so that a depthwise convolution is not taken to be free.
    """

    name: str
    nodes: tuple[str, ...]
    outputs: frozenset[str]
    cost: float


_PER_VALUE = 16
"""About what a processor multiplies while it moves one value of four bytes."""


def layers(
    model: onnx.ModelProto, scheme: Scheme, allowed: Collection[str] | None = None
) -> list[Layer]:
    """All layers of a float graph with something that the scheme quantises, in its order.

    Its nodes have names of their own (see `name_nodes`).

    allowed: the names of the nodes that may be quantised; None for all.
    """
    graph = model.graph
    weights = {each.name for each in graph.initializer}
    costs = node_costs(model)
    heads: dict[str, str] = {}  # by tensor, the first node of the layer that writes it
    members: dict[str, list[onnx.NodeProto]] = {}
    order = {node.name: i for i, node in enumerate(graph.node)}
    for node in graph.node:
        weighted = node.op_type in _WEIGHTED and any(name in weights for name in node.input)
        before = [heads[name] for name in node.input if name in heads]
        # Where branches meet, with the one that was written last.
        head = node.name if weighted or not before else max(before, key=order.__getitem__)
        members.setdefault(head, []).append(node)
        heads.update(dict.fromkeys(node.output, head))
    reached = outputs_reached(graph)
    chosen = quantized_nodes(model, scheme)
    if allowed is not None:
        chosen &= set(allowed)
    found = []
    for nodes in members.values():
        quantised = tuple(node.name for node in nodes if node.name in chosen)
        if quantised:
            cost = sum(costs[node.name] for node in nodes)
            outputs = frozenset().union(*(reached[node.name] for node in nodes))
            found.append(Layer(_name(nodes[0], weights), quantised, outputs, cost))
    return found


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own, in place; those that have one keep it."""
    taken: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}"
            while node.name in taken:
                node.name += "_"
        taken.add(node.name)


def in_8_bits(model: onnx.ModelProto, candidates: Iterable[Layer]) -> set[str]:
    """The names of those layers that a quantised graph computes in 8 bits: what their first
    quantised node reads was dequantised, its weights too. Of a sum that is one with the convolution
    before it, one input is enough."""
    constants = {each.name for each in model.graph.initializer}
    writers = {name: node.op_type for node in model.graph.node for name in node.output}
    integral = {
        node.name
        for node in model.graph.node
        if any(writers.get(name) == "DequantizeLinear" for name in node.input[:2])
        and writers.get(node.input[0]) in ("DequantizeLinear", *CONVOLUTIONS)
        and not constants.intersection(node.input[1:2])
    }
    return {layer.name for layer in candidates if integral.intersection(layer.nodes[:1])}


def nodes_of(kept: Iterable[Layer]) -> set[str]:
    """The names of all nodes of some layers."""
    return {name for layer in kept for name in layer.nodes}


def _name(node: onnx.NodeProto, weights: Collection[str]) -> str:
    weight = next((name for name in node.input if name in weights), "")
    return weight.removesuffix(".weight") if weight.endswith(".weight") else node.name


class Work(NamedTuple):
    """What a node takes to compute: multiplications, and values of activations that it reads and
    writes."""

    multiplied: int
    moved: int


def node_costs(model: onnx.ModelProto) -> dict[str, float]:
    """By node of a float graph, which has a name of its own, about what it takes to compute: see
    `Layer.cost`."""
    return {
        name: work.multiplied + _PER_VALUE * work.moved for name, work in node_work(model).items()
    }


def node_work(model: onnx.ModelProto) -> dict[str, Work]:
    """By node of a float graph, which has a name of its own, what it takes to compute."""
    weights = {each.name: tuple(each.dims) for each in model.graph.initializer}
    sizes = tensor_sizes(model)
    return {node.name: _work(node, weights, sizes) for node in model.graph.node}


def tensor_sizes(model: onnx.ModelProto) -> dict[str, int]:
    """How many values each tensor has; those of unknown shape are missing."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    sizes = {}
    for value in (*graph.input, *graph.output, *graph.value_info):
        size = 1
        for dim in value.type.tensor_type.shape.dim:
            size *= dim.dim_value
        sizes[value.name] = size
    return sizes


def _work(node: onnx.NodeProto, weights: dict[str, tuple[int, ...]], sizes: dict[str, int]) -> Work:
    moved = sum(sizes.get(name, 0) for name in (*node.input, *node.output))
    multiplied = 0
    if node.op_type in _WEIGHTED:
        kernel = next((weights[name] for name in node.input if name in weights), ())
        for_each = 1
        for size in kernel[1:] if node.op_type == "Conv" else kernel[:1]:
            for_each *= size
        multiplied = for_each * sizes.get(node.output[0], 0)
    return Work(multiplied, moved)


def outputs_reached(graph: onnx.GraphProto) -> dict[str, frozenset[str]]:
    """By node, the outputs of the graph that depend on it."""
    by_tensor: dict[str, frozenset[str]] = {
        value.name: frozenset((value.name,)) for value in graph.output
    }
    by_node = {}
    for node in reversed(graph.node):
        reached = frozenset().union(*(by_tensor.get(name, frozenset()) for name in node.output))
        by_node[node.name] = reached
        for name in node.input:
            by_tensor[name] = by_tensor.get(name, frozenset()) | reached
    return by_node
