from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import edge_mtl
from edge_mtl import zoo
from edge_mtl.bundle import Bundle
from edge_mtl.config import load_config
from edge_mtl.export.graph import (
    ExportError,
    check_parity,
    folded,
    onnx_from_network,
)
from edge_mtl.export.structured_picture import structured_picture
from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig


def test_the_graph_computes_what_the_network_does(network: Network, graph: onnx.ModelProto) -> None:
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    assert [each.name for each in session.get_inputs()] == ["image"]
    names = [each.name for each in session.get_outputs()]
    assert names == [tensor.name for tensor in network.spec.output_tensors]
    image = torch.randn(network.spec.input_tensor.shape)
    with torch.inference_mode():
        expected = network(image)
    for name, found in zip(names, session.run(None, {"image": image.numpy()}), strict=True):
        np.testing.assert_allclose(found, expected[name].numpy(), rtol=1e-3, atol=1e-4)


def test_batch_norms_are_folded_without_a_trace(network: Network, graph: onnx.ModelProto) -> None:
    plain = folded(network)
    assert not any(isinstance(each, nn.BatchNorm2d) for each in plain.modules())
    assert any(isinstance(each, nn.BatchNorm2d) for each in network.modules())
    image = torch.from_numpy(structured_picture(network.spec.input_tensor.shape))
    with torch.inference_mode():
        expected, found = network(image), plain(image)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)
    kinds = {node.op_type for node in graph.graph.node}
    assert kinds <= {"Conv", "Relu", "Clip", "Add", "Resize"}


PLAIN = {"Add", "AveragePool", "Clip", "Conv", "MaxPool", "Mul", "Relu", "Resize", "Sigmoid"}
PAIR = {"QuantizeLinear", "DequantizeLinear"}
RECIPES = zoo.shipped(".toml")
FAST = ("fusionnet", "multitask-cnn")


@pytest.mark.parametrize(
    "recipe", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in RECIPES]
)
@pytest.mark.usefixtures("one_thread")
def test_lesson_no_graph_holds_a_plugin_or_non_maximum_suppression(recipe: str) -> None:
    """super-gradients#1816, TensorRT-YOLO#118, TensorRT#3327: the plugin is missing at load.

    ultralytics#22877, #22735: an engine with its suppression inside fails. The head does what they
    do, behind the graph.
    """
    network = Network(load_config(RECIPES[recipe], TrainConfig).model)
    found = onnx_from_network(network.eval())
    assert {each.domain for each in found.opset_import} == {""}
    assert {node.domain for node in found.graph.node} == {""}
    assert {node.op_type for node in found.graph.node} <= PLAIN
    assert [each.name for each in found.graph.output] == [
        tensor.name for tensor in network.spec.output_tensors
    ]


@pytest.mark.parametrize("name", zoo.shipped(".emtl"))
def test_lesson_nor_does_a_graph_that_ships(name: str) -> None:
    """As above, of what was exported in 8 bits."""
    shipped = onnx.load_from_string(Bundle.open(zoo.locate(name, ".emtl")).network)
    assert {node.domain for node in shipped.graph.node} <= {"", "ai.onnx"}
    assert {node.op_type for node in shipped.graph.node} <= PLAIN | PAIR


def test_a_graph_that_computes_something_else_is_noticed(
    network: Network, graph: onnx.ModelProto
) -> None:
    image = torch.from_numpy(structured_picture(network.spec.input_tensor.shape))
    check_parity(graph, network, image)
    last = next(node for node in graph.graph.node if "detection_boxes_8" in node.output)
    bias = next(each for each in graph.graph.initializer if each.name == last.input[2])
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 0.5, bias.name))
    with pytest.raises(ExportError, match=r"output 'detection_boxes_8' .* differs .* by 0\.5"):
        check_parity(graph, network, image)


def test_a_graph_with_nan_is_noticed(network: Network, graph: onnx.ModelProto) -> None:
    bias = next(each for each in graph.graph.initializer if each.dims == [3])
    bias.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), bias.name))
    image = torch.from_numpy(structured_picture(network.spec.input_tensor.shape))
    with pytest.raises(ExportError, match="output 'surface'"):
        check_parity(graph, network, image)


def test_nothing_of_this_machine_is_in_the_graph(graph: onnx.ModelProto) -> None:
    contents = graph.SerializeToString()
    assert b".py" not in contents
    assert str(Path(edge_mtl.__file__).parent).encode() not in contents
