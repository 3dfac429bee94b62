"""What a network does with its logits before it gives them away: found by walking up the graph."""

from __future__ import annotations

from collections import Counter

import onnx

from edge_mtl.export.foreign.graph_edits import producers, read_by

_MOVING = (
    *("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"),
    "Dropout",
)
"""Operators that keep every value: an activation before them is as good as one behind."""

_CHOOSING = ("ArgMax", "TopK", "ReduceMax")
_SUPPRESSING = ("NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMS_TRT", "EfficientNMS_ONNX_TRT")


def without_activation(
    graph: onnx.GraphProto, tensor: str, operators: tuple[str, ...]
) -> tuple[str, str] | None:
    """Take the last of `operators` off, where only its own values moved come to be `tensor`.

    Returns:
        The name of the tensor that holds logits now, and the operator; None where there is none.
    """
    written = producers(graph)
    readers = Counter(name for node in graph.node for name in read_by(node))
    readers.update(value.name for value in graph.output)
    name, below = tensor, None
    while (node := written.get(name)) is not None:
        if node.op_type in operators:
            if below is None:
                return node.input[0], node.op_type
            below.input[0] = node.input[0]
            return tensor, node.op_type
        if node.op_type not in _MOVING or readers[node.input[0]] > 1:
            return None
        name, below = node.input[0], node
    return None


def choice_before(graph: onnx.GraphProto, tensor: str) -> onnx.NodeProto | None:
    """The ArgMax, or another node that throws logits away, whose result `tensor` is."""
    written = producers(graph)
    while (node := written.get(tensor)) is not None:
        if node.op_type in _CHOOSING:
            return node
        if node.op_type not in _MOVING:
            return None
        tensor = node.input[0]
    return None


def activation_before(graph: onnx.GraphProto, tensor: str) -> str | None:
    """ "Sigmoid" or "Softmax" where `tensor` is its result; None where it is not."""
    written = producers(graph)
    while (node := written.get(tensor)) is not None:
        if node.op_type in ("Sigmoid", "Softmax"):
            return str(node.op_type)
        if node.op_type not in _MOVING:
            return None
        tensor = node.input[0]
    return None


def suppression_before(graph: onnx.GraphProto, tensor: str) -> onnx.NodeProto | None:
    """The non-maximum suppression that `tensor` comes from; None where there is none."""
    written = producers(graph)
    waiting, seen = [tensor], set()
    while waiting:
        node = written.get(waiting.pop())
        if node is None or node.name in seen:
            continue
        if node.op_type in _SUPPRESSING:
            return node
        seen.add(node.name)
        waiting.extend(read_by(node))
    return None
