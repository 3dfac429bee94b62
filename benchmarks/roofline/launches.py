"""What a network makes a GPU do, launch by launch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import onnx

from edge_mtl.export.layers import name_nodes, node_work, tensor_sizes
from edge_mtl.spec import ModelSpec

_FUSED = ("Add", "Clip", "Identity", "Mul", "Relu", "Sigmoid")
"""What TensorRT computes where the convolution before it stores its results."""
_RAW_OUTPUT_BYTES = 4  # float32, see docs/tensorrt.md; all else is int8


@dataclass(frozen=True)
class Launch:
    """A kernel. tensor_operations: of the tensor cores, two a multiplication; core_operations: of
    the others, which compute depthwise convolutions."""

    tensor_operations: float = 0.0
    core_operations: float = 0.0
    moved_bytes: float = 0.0


def launches_of(model: onnx.ModelProto) -> list[Launch]:
    """Those of a float graph that is quantised to INT8: a convolution with what fuses with it, a
    resize, a pool. Every tensor in between is written and read once."""
    name_nodes(model)
    work, sizes = node_work(model), tensor_sizes(model)
    weights = {each.name: math.prod(each.dims) for each in model.graph.initializer}
    outputs = {value.name for value in model.graph.output}
    found: list[Launch] = []
    for node in model.graph.node:
        read = [sizes.get(name, weights.get(name, 0)) for name in node.input]
        if node.op_type in _FUSED and found:
            # Its result takes the place of what it follows; of a sum, the other input is read.
            last = found[-1]
            found[-1] = replace(last, moved_bytes=last.moved_bytes + sum(read[1:]))
            continue
        written = sum(
            sizes[name] * (_RAW_OUTPUT_BYTES if name in outputs else 1) for name in node.output
        )
        operations = 2.0 * work[node.name].multiplied
        depthwise = any(each.name == "group" and each.i > 1 for each in node.attribute)
        found.append(
            Launch(
                tensor_operations=0.0 if depthwise else operations,
                core_operations=operations if depthwise else 0.0,
                moved_bytes=sum(read) + written,
            )
        )
    return found


def kernels_around(spec: ModelSpec, frame_size: tuple[int, int]) -> list[Launch]:
    """Our own two: `preprocess` reads the frame and writes the input; the head reads every raw
    output and writes masks of the frame's size."""
    width, height = frame_size
    pixels = width * height
    raw = sum(math.prod(tensor.shape) for tensor in spec.output_tensors)
    masks = pixels * len(spec.segmentations)
    return [
        Launch(moved_bytes=3 * pixels + math.prod(spec.input_tensor.shape)),
        Launch(moved_bytes=_RAW_OUTPUT_BYTES * raw + masks),
    ]
