from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.export.edges import strip_edges
from edge_mtl.export.half_precision import (
    HALF_QDQ_OPSET,
    HalfPrecisionError,
    check_half_precision,
    half_precision,
    large_activations,
)
from edge_mtl.export.structured_picture import structured_picture

Quantized = Callable[[str], onnx.ModelProto]
only_edgenet = pytest.mark.parametrize("backbone", ["edgenet-n"])
IMAGE = structured_picture((1, 3, 32, 64))


def small(*nodes: onnx.NodeProto, opset: int = 18, **constants: Any) -> onnx.ModelProto:
    edges = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, 4, 4)) for name in "xy"]
    tensors = [numpy_helper.from_array(np.array(v), name) for name, v in constants.items()]
    graph = helper.make_graph(list(nodes), "small", edges[:1], edges[1:], tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def types(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*inferred.input, *inferred.output, *inferred.value_info)
    return {each.name: each.type.tensor_type.elem_type for each in values}


def test_what_is_float_becomes_half(backbone: str, graph: onnx.ModelProto) -> None:
    half = half_precision(graph)
    onnx.checker.check_model(half, full_check=True)
    known = types(half)
    edges = {each.name for each in (*half.graph.input, *half.graph.output)}
    assert edges == {each.name for each in (*graph.graph.input, *graph.graph.output)}
    assert {known[name] for name in edges} == {TensorProto.FLOAT}
    inner = {kind for name, kind in known.items() if name not in edges}
    assert inner == {TensorProto.FLOAT16}
    errors = check_half_precision(graph, half, {"image": IMAGE})
    assert 0 < max(errors.values()) < 0.02


@only_edgenet
def test_around_int8_too(quantized: Quantized) -> None:
    model = quantized("tensorrt")
    strip_edges(model)
    half = half_precision(model)
    onnx.checker.check_model(half, full_check=True)
    assert half.opset_import[0].version == HALF_QDQ_OPSET
    values = {each.name: each.data_type for each in half.graph.initializer}
    for node in half.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert values[node.input[1]] == TensorProto.FLOAT16
            assert values[node.input[2]] == TensorProto.INT8
    picture = (IMAGE * 40).clip(-128, 127).astype(np.int8)
    assert max(check_half_precision(model, half, {"image": picture}).values()) < 0.02


@only_edgenet
def test_nodes_can_be_kept_in_float(graph: onnx.ModelProto) -> None:
    kept = [node.output[0] for node in graph.graph.node if node.op_type == "Add"]
    half = half_precision(graph, kept)
    onnx.checker.check_model(half, full_check=True)
    known = types(half)
    for node in half.graph.node:
        if node.op_type == "Add":
            assert {known[name] for name in (*node.input, *node.output)} == {TensorProto.FLOAT}
    assert max(check_half_precision(graph, half, {"image": IMAGE}).values()) < 0.01


def test_scales_of_resize_are_shared_and_stay_float() -> None:
    """On which ONNX Runtime's converter makes a graph with a name twice."""
    nodes = [
        helper.make_node("Resize", ["x", "", "up"], ["a"], mode="nearest"),
        helper.make_node("Resize", ["a", "", "up"], ["b"], mode="nearest"),
        helper.make_node("MaxPool", ["b"], ["y"], kernel_shape=[4, 4], strides=[4, 4]),
    ]
    model = small(*nodes, up=np.array([1, 1, 2, 2], np.float32))
    half = half_precision(model)
    onnx.checker.check_model(half, full_check=True)
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    assert check_half_precision(model, half, {"x": x}) == {"y": 0.0}


def test_an_output_that_is_also_read_within() -> None:
    model = small(
        helper.make_node("Relu", ["x"], ["y"]),
        helper.make_node("Mul", ["y", "two"], ["z"]),
        two=np.float32(2),
    )
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 1, 4, 4)))
    half = half_precision(model)
    onnx.checker.check_model(half, full_check=True)
    assert check_half_precision(model, half, {"x": IMAGE[:, :1, :4, :4]}).keys() == {"y", "z"}


def test_what_would_overflow_is_found_and_kept_in_float() -> None:
    model = small(
        helper.make_node("Mul", ["x", "large"], ["a"]),
        helper.make_node("Mul", ["a", "large"], ["b"]),
        helper.make_node("Div", ["b", "large"], ["c"]),
        helper.make_node("Div", ["c", "large"], ["y"]),
        large=np.float32(1e3),
    )
    x = {"x": 5 + IMAGE[:, :1, :4, :4]}
    large = large_activations(model, x)
    assert large == ["b"]
    half = half_precision(model, large)
    onnx.checker.check_model(half, full_check=True)
    known = types(half)
    assert (known["a"], known["b"], known["c"]) == (
        TensorProto.FLOAT16,
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
    )
    assert check_half_precision(model, half, x)["y"] < 0.01


def test_constants_beyond_fp16_are_refused_and_tiny_ones_do_not_vanish() -> None:
    node = helper.make_node("Mul", ["x", "c"], ["y"])
    with pytest.raises(HalfPrecisionError, match="constant c holds 1e\\+05, FP16 ends at 65504"):
        half_precision(small(node, c=np.float32(1e5)))
    (constant,) = half_precision(small(node, c=np.float32(-1e-12))).graph.initializer
    assert numpy_helper.to_array(constant) == np.float16(-6e-8)


def test_branches_are_refused() -> None:
    value = helper.make_tensor_value_info("t", TensorProto.FLOAT, None)
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["t"])], "b", [], [value])
    node = helper.make_node("If", ["c"], ["y"], name="fork", then_branch=body, else_branch=body)
    with pytest.raises(HalfPrecisionError, match=r"node fork \(If\) holds a graph of its own"):
        half_precision(small(node, c=np.bool_(True)))


def test_constants_that_say_something_else_in_fp16_are_found() -> None:
    """Two large numbers whose difference is all that counts."""
    model = small(
        helper.make_node("Add", ["x", "high"], ["a"]),
        helper.make_node("Sub", ["a", "higher"], ["b"]),
        helper.make_node("Mul", ["b", "x"], ["y"]),
        high=np.float32(4097.3),
        higher=np.float32(4098.6),
    )
    with pytest.raises(HalfPrecisionError, match="output 'y' in FP16 differs from FP32 by"):
        check_half_precision(model, half_precision(model), {"x": IMAGE[:, :1, :4, :4]})
