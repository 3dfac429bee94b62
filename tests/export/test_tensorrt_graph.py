"""What TensorRT refuses or misreads is found before it sees the graph, and named.

Each test is a complaint of people whose engines were refused, slow or wrong. That TensorRT's own
parser refuses it too, or takes it without a word, was seen with `tensorrt_rtx` 1.7.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.export.tensorrt_graph import BuildError, check_graph

CHANNELS = 8
ZERO, SCALE = np.int8(0), np.float32(0.05)


def convolution(
    zero_point: Any = ZERO,
    scale: Any = SCALE,
    axis: int = 0,
    operator: str = "Conv",
    int32_bias: bool = False,
    shape: tuple[Any, ...] = (1, CHANNELS, 32, 32),
    opset: int = 18,
    last: str = "Relu",
    domain: str = "",
) -> onnx.ModelProto:
    """One explicitly quantised convolution and an operator behind it."""
    weights = np.ones((CHANNELS, CHANNELS, 3, 3), np.float32)
    values = {
        "zero": np.array(zero_point),
        "scale": np.array(scale),
        "weights": weights,
        "weight_scale": np.full(CHANNELS, 0.01, np.float32),
        "weight_zero": np.zeros(CHANNELS, np.int8),
        "bias": np.zeros(CHANNELS, np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"], name="q"),
        helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"], name="dq"),
        helper.make_node(
            "QuantizeLinear", ["weights", "weight_scale", "weight_zero"], ["wq"], axis=axis
        ),
        helper.make_node(
            "DequantizeLinear",
            ["wq", "weight_scale", "weight_zero"],
            ["wd"],
            name="weight_dq",
            axis=axis,
        ),
    ]
    bias = "bias"
    if int32_bias:
        values["bias_q"] = np.zeros(CHANNELS, np.int32)
        bias = "bias_d"
        nodes.append(
            helper.make_node(
                "DequantizeLinear", ["bias_q", "weight_scale"], [bias], name="bias_dq", axis=0
            )
        )
    nodes.append(helper.make_node(operator, ["xd", "wd", bias], ["c"], pads=[1] * 4))
    nodes.append(helper.make_node(last, ["c"], ["y"], name="last", domain=domain))
    edges = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    edges += [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    tensors = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "g", edges[:1], edges[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
def test_what_our_quantiser_makes_is_taken(operator: str) -> None:
    check_graph(convolution(operator=operator, axis=int(operator == "ConvTranspose")))
    check_graph(convolution(shape=("N", CHANNELS, 32, 32)))


def test_our_own_networks_are_taken(
    quantized: Callable[[str], onnx.ModelProto], graph: onnx.ModelProto
) -> None:
    check_graph(quantized("tensorrt"))
    check_graph(graph)


@pytest.mark.parametrize("backbone", ["edgenet-n"])
def test_the_scheme_for_cpus_is_refused(quantized: Callable[[str], onnx.ModelProto]) -> None:
    with pytest.raises(
        BuildError, match=r"dequantises an int32 bias; keep biases float.*; and \d+ more"
    ):
        check_graph(quantized("cpu"))


def refused(reason: str, **changes: Any) -> None:
    with pytest.raises(BuildError, match="TensorRT cannot take the graph: .*" + reason):
        check_graph(convolution(**changes))


def test_lesson_a_nonzero_zero_point_is_rejected() -> None:
    """TensorRT#2774, #4698."""
    refused(r"node q \(QuantizeLinear\) has zero point 3, expected 0", zero_point=np.int8(3))


def test_lesson_an_int32_bias_is_rejected() -> None:
    """onnxruntime#14229."""
    refused(r"node bias_dq \(DequantizeLinear\) dequantises an int32 bias", int32_bias=True)


def test_lesson_uint8_is_silently_read_as_int8() -> None:
    refused(r"node q \(QuantizeLinear\) is uint8, which is read as int8", zero_point=np.uint8(0))


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_none(scale: float) -> None:
    refused("has scale .*, expected more than 0", scale=np.float32(scale))


def test_scales_of_weights_along_the_wrong_axis_are_built_without_int8() -> None:
    refused(r"node weight_dq .*scales of a Conv's weights along axis 1, expected 0", axis=1)
    refused("a ConvTranspose's weights along axis 0, expected 1", operator="ConvTranspose")


def test_activations_by_channel() -> None:
    model = convolution(
        scale=np.full(CHANNELS, 0.05, np.float32), zero_point=np.zeros(CHANNELS, np.int8)
    )
    with pytest.raises(BuildError, match=r"node dq .*for each channel of an activation; use one"):
        check_graph(model)


def test_an_open_width_is_refused() -> None:
    refused("input 'x' has no fixed size; export", shape=(1, CHANNELS, 32, "width"))


def test_an_old_opset() -> None:
    refused("expected opset 9 or later, found 8", opset=8)


def test_lesson_missing_plugins_are_found_at_export_not_at_load() -> None:
    """super-gradients#1816, TensorRT-YOLO#118, TensorRT#3327."""
    refused(r"node last \(EfficientNMS_TRT\) is no operator of ONNX", last="EfficientNMS_TRT")
    refused(
        r"node last \(Gelu\) is of the operators of com.microsoft",
        last="Gelu",
        domain="com.microsoft",
    )
    refused(r"node last \(NonZero\) is unknown to its parser", last="NonZero")
    refused(r"node last \(DynamicQuantizeLinear\) computes in 8 bits", last="DynamicQuantizeLinear")


def test_the_parser_of_tensorrt_does_not_know_them_either() -> None:
    """But NonZero, which it hands to a plugin that is not there."""
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is missing")
    from edge_mtl.export.tensorrt_graph import _QUANTIZED, _UNKNOWN
    from edge_mtl.tensorrt_log import logger_of

    logger, _ = logger_of(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    known = [name for name in (*_QUANTIZED, *_UNKNOWN) if parser.supports_operator(name)]
    assert known == ["NonZero"]
