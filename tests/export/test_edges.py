from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.bundle import Bundle
from edge_mtl.export.edges import edge_tensors, strip_edges
from edge_mtl.export.structured_picture import structured_picture
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import SegmentationTask


def test_stripped_edges_are_8_bit_and_mean_the_same(
    network: Network, quantized: Callable[[str], onnx.ModelProto]
) -> None:
    whole, stripped = quantized("cpu"), quantized("cpu")
    strip_edges(stripped)
    onnx.checker.check_model(stripped, full_check=True)
    image, _, outputs = edge_tensors(stripped, network.spec)
    assert [tensor.name for tensor in outputs] == [t.name for t in network.spec.output_tensors]
    assert {tensor.dtype for tensor in (image, *outputs)} == {"uint8"}
    assert all(tensor.scale > 0 for tensor in (image, *outputs))

    pixels = structured_picture(image.shape)
    packed = np.clip(np.rint(pixels / image.scale) + image.zero_point, 0, 255).astype(np.uint8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    expected, found = (
        onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"image": fed})
        for model, fed in ((whole, pixels), (stripped, packed))
    )
    for tensor, value, raw in zip(outputs, expected, found, strict=True):
        assert raw.dtype == np.uint8
        dequantized = tensor.scale * (raw.astype(np.float32) - tensor.zero_point)
        np.testing.assert_allclose(dequantized, value, atol=1e-4)


def test_edges_that_are_not_quantised_stay_float(
    network: Network, graph: onnx.ModelProto, quantized: Callable[[str], onnx.ModelProto]
) -> None:
    before = graph.SerializeToString()
    strip_edges(graph)
    assert graph.SerializeToString() == before
    image, planes, outputs = edge_tensors(graph, network.spec)
    assert (image, planes) == (network.spec.input_tensor, ())
    assert outputs == network.spec.output_tensors
    assert edge_tensors(quantized("tensorrt"), network.spec) == (image, planes, outputs)


def test_an_output_that_the_network_reads_itself_stays_float() -> None:
    """a is read by b's branch in 8 bits, so only b can lose its last node."""
    spec = ModelSpec(
        name="two",
        input=InputSpec(width=32, height=32),
        backbone="none",
        tasks=(
            SegmentationTask(name="a", classes=("x", "y", "z"), stride=4),
            SegmentationTask(name="b", classes=("x", "y", "z"), stride=4),
        ),
    )
    shape = (1, 3, 8, 8)
    nodes = [
        helper.make_node("MaxPool", ["image"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("QuantizeLinear", ["pooled", "scale", "zero"], ["a_8"]),
        helper.make_node("DequantizeLinear", ["a_8", "scale", "zero"], ["a"]),
        helper.make_node("DequantizeLinear", ["a_8", "scale", "zero"], ["again"]),
        helper.make_node("Relu", ["again"], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "scale", "zero"], ["b_8"]),
        helper.make_node("DequantizeLinear", ["b_8", "scale", "zero"], ["b"]),
    ]
    values = [np.array(0.5, np.float32), np.array(128, np.uint8)]
    constants = [numpy_helper.from_array(values[0], "scale")]
    constants.append(numpy_helper.from_array(values[1], "zero"))
    edges = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "ab"]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 32, 32))
    model = helper.make_model(
        helper.make_graph(nodes, "two", [image], edges, constants),
        opset_imports=[helper.make_opsetid("", 18)],
    )
    strip_edges(model)
    onnx.checker.check_model(model, full_check=True)
    found, _, (a, b) = edge_tensors(model, spec)
    assert found == spec.input_tensor
    assert (a.dtype, b.dtype) == ("float32", "uint8")
    assert (b.scale, b.zero_point) == (0.5, 128)


def test_float16_edges_are_found(tiny_bundle_half: Bundle) -> None:
    manifest = tiny_bundle_half.manifest
    image, planes, outputs = edge_tensors(
        onnx.load_from_string(tiny_bundle_half.network), manifest.spec
    )
    assert (image, planes, outputs) == (manifest.input, (), manifest.outputs)
    assert {tensor.dtype for tensor in (image, *outputs)} == {"float16"}
