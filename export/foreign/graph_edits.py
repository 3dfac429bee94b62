"""Small edits of an ONNX graph: append nodes, rename tensors, drop what no output needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_PREFIX = "edge_mtl"


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The bodies of an If, Loop or Scan."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all graphs within its nodes."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from all_graphs(inner)


def read_by(node: onnx.NodeProto) -> set[str]:
    """The tensors that a node, or a graph within it, reads."""
    names = {name for name in node.input if name}
    for inner in subgraphs(node):
        names |= {value.name for value in inner.output}
        for each in inner.node:
            names |= read_by(each)
    return names


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """By tensor, the node that writes it."""
    return {name: node for node in graph.node for name in node.output if name}


def tensor_names(graph: onnx.GraphProto) -> set[str]:
    """All names that are taken on the graph's outermost level."""
    named = {each.name for each in (*graph.input, *graph.initializer)}
    return named | set(producers(graph))


def rename_tensor(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Rename a tensor wherever it is written or read, in graphs within nodes too."""
    for each in all_graphs(graph):
        for node in each.node:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new
        for value in (*each.input, *each.output, *each.value_info, *each.initializer):
            if value.name == old:
                value.name = new


def prune(graph: onnx.GraphProto) -> None:
    """Drop the nodes and weights that no output needs: custom operators behind a cut among them."""
    writers = producers(graph)
    needed = [value.name for value in graph.output]
    kept, seen = set(), set(needed)
    while needed:
        node = writers.get(needed.pop())
        if node is None or id(node) in kept:
            continue
        kept.add(id(node))
        new = read_by(node) - seen
        seen |= new
        needed.extend(new)
    nodes = [node for node in graph.node if id(node) in kept]
    weights = [each for each in graph.initializer if each.name in seen]
    # Copied first: what is deleted from a message is freed.
    nodes, weights = (
        [type(e).FromString(e.SerializeToString()) for e in part] for part in (nodes, weights)
    )
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(weights)


class Writer:
    """Appends nodes to a graph under names of its own."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self._taken = tensor_names(graph) | {node.name for node in graph.node}
        self._count = 0

    def name(self, kind: str) -> str:
        """A name that nothing in the graph has."""
        while True:
            self._count += 1
            name = f"{_PREFIX}/{kind}_{self._count}"
            if name not in self._taken:
                self._taken.add(name)
                return name

    def constant(self, value: NDArray[Any]) -> str:
        name = self.name("constant")
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def numbers(self, *values: int) -> str:
        """int64 numbers, such as axes."""
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append a node of one output, whose name is returned."""
        node, output = self._make(operator, inputs, attributes)
        self.graph.node.append(node)
        return output

    def node_first(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """As `node`, before all others."""
        node, output = self._make(operator, inputs, attributes)
        self.graph.node.insert(0, node)
        return output

    def _make(
        self, operator: str, inputs: tuple[str, ...], attributes: dict[str, Any]
    ) -> tuple[onnx.NodeProto, str]:
        name = self.name(operator)
        return helper.make_node(operator, inputs, [name], name, **attributes), name

    # What the steps of an import are made of

    def scalar(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def reshape(self, tensor: str, *shape: int) -> str:
        return self.node("Reshape", tensor, self.numbers(*shape))

    def slice(self, tensor: str, axis: int, start: int, stop: int) -> str:
        bounds = (self.numbers(start), self.numbers(stop), self.numbers(axis))
        return self.node("Slice", tensor, *bounds)

    def join(self, axis: int, *tensors: str) -> str:
        return tensors[0] if len(tensors) == 1 else self.node("Concat", *tensors, axis=axis)
