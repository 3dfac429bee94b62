"""What TensorRT refuses or misreads in a graph, found before a builder sees it.

Every rule is a complaint of people whose engines were refused or wrong. Those marked (measured)
were seen with TensorRT-RTX 1.7.1, whose parser is TensorRT's own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from edge_mtl.errors import EdgeMtlError

LEAST_OPSET = 9
_SHOWN = 3
_PAIR = ("QuantizeLinear", "DequantizeLinear")
_OWN_DOMAINS = ("", "ai.onnx")
_WEIGHT_AXES = {"Conv": 0, "ConvTranspose": 1}
# Quantised operators of another kind, which the parser does not know (measured).
_QUANTIZED = (
    "ConvInteger",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
)
# What else of ONNX a network for pictures might hold and the parser does not know (measured), and
# NonZero, which it hands to a plugin that is not there (measured).
_UNKNOWN = (
    *("AffineGrid", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor"),
    *("CenterCropPad", "Col2Im", "Compress", "CumProd", "DFT", "DeformConv", "Det", "MaxRoiPool"),
    *("MaxUnpool", "NonZero", "SequenceAt", "SequenceConstruct", "SequenceInsert"),
    *("SplitToSequence", "StringNormalizer", "Unique"),
)


class BuildError(EdgeMtlError):
    """TensorRT refused a graph or could not build it."""


def check_graph(model: onnx.ModelProto) -> None:
    """Refuse what no TensorRT would take, or would silently take for something else.

    Raises:
        BuildError: names the first nodes and what to do about them.
    """
    found = list(_problems(model))
    if found:
        rest = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise BuildError(f"TensorRT cannot take the graph: {'; '.join(found[:_SHOWN])}{rest}")


def _problems(model: onnx.ModelProto) -> Iterator[str]:
    graph = model.graph
    opset = next((each.version for each in model.opset_import if each.domain in _OWN_DOMAINS), 0)
    if opset < LEAST_OPSET:
        yield f"expected opset {LEAST_OPSET} or later, found {opset}; export the network again"
    for value in graph.input:
        dimensions = value.type.tensor_type.shape.dim
        if any(each.dim_value <= 0 for each in dimensions[1:]) or not dimensions:
            yield (
                f"input {value.name!r} has no fixed size; export the network for one width and "
                "height (the batch may stay open)"
            )
    for node in graph.node:
        if node.domain not in _OWN_DOMAINS:
            yield (
                f"node {node.name} ({node.op_type}) is of the operators of {node.domain}; export "
                "with standard ONNX operators, and leave decoding and NMS to the kernels"
            )
        elif not onnx.defs.has(node.op_type):
            yield (
                f"node {node.name} ({node.op_type}) is no operator of ONNX but a plugin; export "
                "without it, and leave decoding and NMS to the kernels"
            )
        elif node.op_type in _QUANTIZED:
            yield (
                f"node {node.name} ({node.op_type}) computes in 8 bits by itself; quantise with "
                "QuantizeLinear and DequantizeLinear around float operators (QDQ format)"
            )
        elif node.op_type in _UNKNOWN:
            yield f"node {node.name} ({node.op_type}) is unknown to its parser; export without it"
    yield from _pair_problems(graph)


def _pair_problems(graph: onnx.GraphProto) -> Iterator[str]:
    constants = {each.name: each for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            constants[node.output[0]] = node.attribute[0].t
    writers = {name: node for node in graph.node for name in node.output}
    kernels = {node.input[1]: node.op_type for node in graph.node if node.op_type in _WEIGHT_AXES}
    for node in graph.node:
        if node.op_type not in _PAIR:
            continue
        where = f"node {node.name} ({node.op_type})"
        read = constants.get(node.input[0])
        zero_point = constants.get(node.input[2]) if len(node.input) > 2 else None
        if TensorProto.INT32 in {each.data_type for each in (read, zero_point) if each is not None}:
            yield f"{where} dequantises an int32 bias; keep biases float"
            continue
        if zero_point is None:
            # What ONNX says of a missing one: uint8, or the type of what is dequantised.
            writes_uint8 = node.op_type == "QuantizeLinear" and len(node.attribute) == 0
            kind = TensorProto.UINT8 if writes_uint8 else TensorProto.INT8
        else:
            kind = zero_point.data_type
            values = numpy_helper.to_array(zero_point)
            if values.astype(np.float32).any():
                yield (
                    f"{where} has zero point {values.flat[np.flatnonzero(values)[0]]}, expected 0; "
                    "quantise symmetrically (--target tensorrt)"
                )
        if kind == TensorProto.UINT8:
            # The parser warns and takes it for int8 (measured): everything above 127 saturates.
            yield f"{where} is uint8, which is read as int8; quantise to int8 (--target tensorrt)"
        yield from _scale_problems(node, where, constants, writers, kernels)


def _scale_problems(
    node: onnx.NodeProto,
    where: str,
    constants: dict[str, onnx.TensorProto],
    writers: dict[str, onnx.NodeProto],
    kernels: dict[str, str],
) -> Iterator[str]:
    if node.input[1] not in constants:
        yield f"{where} computes its scale; TensorRT needs a constant"
        return
    scale = numpy_helper.to_array(constants[node.input[1]]).astype(np.float64)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        yield f"{where} has scale {scale.min():g}, expected more than 0; calibrate again"
    if scale.size == 1 or node.op_type != "DequantizeLinear":
        return
    source = writers.get(node.input[0])
    behind = source.input[0] if source is not None else node.input[0]
    if behind not in constants:
        yield f"{where} has a scale for each channel of an activation; use one for all of it"
        return
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    operator = kernels.get(node.output[0])
    if operator is not None and axis != _WEIGHT_AXES[operator]:
        # Built without a word, but not into an INT8 kernel (measured).
        yield (
            f"{where} has the scales of a {operator}'s weights along axis {axis}, expected "
            f"{_WEIGHT_AXES[operator]}, that of the output channels; quantise again"
        )
