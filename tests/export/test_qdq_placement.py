"""Where Q/DQ stands for TensorRT, on the graph of a tiny network of every kind of backbone.

The lessons are those of people whose quantised engines were refused, slower than FP16, or wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.export.edges import strip_edges
from edge_mtl.export.qdq_placement import fuse_sums, quantized_nodes
from edge_mtl.export.schemes import DEPTHWISE, SCHEMES, scheme

Quantized = Callable[[str], onnx.ModelProto]
PAIR = ("QuantizeLinear", "DequantizeLinear")
every_kind = pytest.mark.parametrize(
    "backbone",
    [
        "edgenet-n",
        "efficientnet-lite0",
        pytest.param("resnet18", marks=pytest.mark.slow),
        pytest.param("vgg11", marks=pytest.mark.slow),
    ],
)
both = pytest.mark.parametrize("target", ["tensorrt", "tensorrt-rtx"])


class Links:
    """Who writes and who reads each tensor of a graph."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.values: dict[str, Any] = {
            each.name: numpy_helper.to_array(each) for each in model.graph.initializer
        }
        self.writer = {name: node for node in model.graph.node for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                self.readers[name].append(node)

    def kind(self, name: str) -> str:
        return self.writer[name].op_type if name in self.writer else ""

    def groups(self, node: onnx.NodeProto) -> int:
        return next((each.i for each in node.attribute if each.name == "group"), 1)


@every_kind
@both
def test_lesson_nonzero_zero_points_are_refused_so_there_are_none(
    quantized: Quantized, target: str
) -> None:
    """TensorRT#2774, #4698."""
    model = quantized(target)
    values = Links(model).values
    zero_points = [values[n.input[2]] for n in model.graph.node if n.op_type in PAIR]
    assert zero_points
    assert {each.dtype for each in zero_points} == {np.dtype(np.int8)}
    assert not any(each.any() for each in zero_points)


@every_kind
@both
def test_lesson_an_int32_bias_is_refused_so_biases_are_float(
    quantized: Quantized, target: str
) -> None:
    """onnxruntime#14229."""
    model = quantized(target)
    values = Links(model).values
    biases = [n.input[2] for n in model.graph.node if n.op_type == "Conv" and len(n.input) > 2]
    assert biases
    assert {values[name].dtype for name in biases} == {np.dtype(np.float32)}


@every_kind
@both
def test_weights_are_int8_by_output_channel(quantized: Quantized, target: str) -> None:
    model = quantized(target)
    links = Links(model)
    found = 0
    for node in model.graph.node:
        if node.op_type == "Conv" and links.kind(node.input[1]):
            dequantize = links.writer[node.input[1]]
            kernel = links.values[links.writer[dequantize.input[0]].input[0]]
            axis = next(each.i for each in dequantize.attribute if each.name == "axis")
            assert axis == 0
            assert links.values[dequantize.input[1]].shape == (kernel.shape[0],)
            found += 1
    assert found > 10


@every_kind
@both
def test_lesson_a_leading_quantize_node_costs_so_the_input_is_int8(
    quantized: Quantized, target: str
) -> None:
    """TensorRT#3492."""
    model = quantized(target)
    strip_edges(model)
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.INT8
    assert [n.op_type for n in model.graph.node if "image" in n.input] == ["DequantizeLinear"]


@every_kind
@both
def test_lesson_int8_heads_find_nothing_so_raw_outputs_are_float(
    quantized: Quantized, target: str
) -> None:
    """TensorRT#4074."""
    model = quantized(target)
    links = Links(model)
    strip_edges(model)
    for value in model.graph.output:
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT
        assert links.kind(value.name) == "Conv"


@every_kind
@both
def test_activations_stay_next_to_what_they_fuse_with(quantized: Quantized, target: str) -> None:
    model = quantized(target)
    links = Links(model)
    activations = [n for n in model.graph.node if n.op_type in ("Relu", "Clip")]
    assert activations
    assert {links.kind(node.input[0]) for node in activations} <= {"Conv", "Add"}


@every_kind
@both
def test_pairs_are_read_by_convolutions_and_sums_or_pass_through_what_only_moves(
    quantized: Quantized, target: str
) -> None:
    """A pair before anything else would be a pass over memory that nothing needs."""
    model = quantized(target)
    links = Links(model)
    dequantized = [n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"]
    for name in dequantized:
        kinds = {node.op_type for node in links.readers[name]}
        assert kinds & {"Conv", "Add"} or kinds <= {*PAIR, "Resize"}, (name, kinds)


@every_kind
@both
def test_a_residual_sum_takes_its_convolution_unquantised_and_the_rest_quantised(
    quantized: Quantized, target: str, backbone: str
) -> None:
    model = quantized(target)
    links = Links(model)
    sums = [n for n in model.graph.node if n.op_type == "Add"]
    assert sums  # of the neck, if not of the backbone
    fused = 0
    for node in sums:
        before = []
        for name in node.input:
            if links.kind(name) == "DequantizeLinear":
                name = links.writer[links.writer[name].input[0]].input[0]
            before.append(name)
        alone = [
            name for name in before if links.kind(name) == "Conv" and len(links.readers[name]) == 1
        ]
        kinds = sorted(links.kind(name) for name in node.input)
        assert kinds == ["Conv" if alone else "DequantizeLinear", "DequantizeLinear"]
        fused += bool(alone)
    assert {each.name for each in model.graph.initializer} <= {
        name for node in model.graph.node for name in node.input
    }
    assert (fused > 0) == (backbone != "vgg11")  # which has no residuals


@every_kind
def test_depthwise_convolutions_stay_float_where_int8_ones_are_computed_dense(
    quantized: Quantized, backbone: str
) -> None:
    quantised = {}
    for target in ("tensorrt", "tensorrt-rtx"):
        model = quantized(target)
        links = Links(model)
        depthwise = [n for n in model.graph.node if n.op_type == "Conv" and links.groups(n) > 1]
        assert bool(depthwise) == (backbone == "efficientnet-lite0")
        quantised[target] = {links.kind(n.input[1]) for n in depthwise}
    assert quantised["tensorrt"] <= {"DequantizeLinear"}
    assert quantised["tensorrt-rtx"] <= {""}  # an initializer, as it was


def test_lesson_an_int8_softmax_is_asymmetric_so_softmax_and_its_like_are_left_out() -> None:
    """onnxruntime#14626."""
    left_out = ("Softmax", "Sigmoid", "Concat", "Resize", "Transpose", "Reshape", "Slice", "Mul")
    for target in ("tensorrt", "tensorrt-rtx"):
        assert not set(scheme(target).operators) & set(left_out)


def small_model(*nodes: onnx.NodeProto, **constants: Any) -> onnx.ModelProto:
    edges = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    tensors = [numpy_helper.from_array(np.array(v), name) for name, v in constants.items()]
    graph = helper.make_graph(list(nodes), "small", edges[:1], edges[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_sums_with_constants_are_arithmetic_and_stay_float() -> None:
    model = small_model(
        helper.make_node("Add", ["x", "offset"], ["a"], name="offset_sum"),
        helper.make_node("Add", ["a", "x"], ["y"], name="residual_sum"),
        offset=np.float32(1),
    )
    assert quantized_nodes(model, scheme("tensorrt")) == {"residual_sum"}
    assert quantized_nodes(model, scheme("cpu")) == {"offset_sum", "residual_sum"}


def test_a_convolution_that_others_read_too_keeps_its_pair() -> None:
    def pair(name: str) -> list[onnx.NodeProto]:
        return [
            helper.make_node("QuantizeLinear", [name, "s", "z"], [f"{name}q"]),
            helper.make_node("DequantizeLinear", [f"{name}q", "s", "z"], [f"{name}d"]),
        ]

    model = small_model(
        *pair("x"),
        helper.make_node("Conv", ["xd", "w"], ["c"]),
        *pair("c"),
        helper.make_node("Relu", ["cd"], ["r"]),
        helper.make_node("Add", ["cd", "xd"], ["sum"]),
        helper.make_node("Mul", ["sum", "r"], ["y"]),
        s=np.float32(1),
        z=np.int8(0),
        w=np.ones((1, 1, 1, 1), np.float32),
    )
    before = model.SerializeToString()
    fuse_sums(model)
    assert model.SerializeToString() == before


def test_every_scheme_says_what_it_does_with_depthwise_convolutions() -> None:
    kept = [name for name, each in SCHEMES.items() if DEPTHWISE not in each.operators]
    assert kept == ["tensorrt-rtx"]
