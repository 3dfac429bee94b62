from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.export.calibration import calibrate
from edge_mtl.export.layers import in_8_bits, layers, name_nodes, nodes_of
from edge_mtl.export.quantize import quantize
from edge_mtl.export.schemes import scheme
from edge_mtl.network.network import Network

only_edgenet = pytest.mark.parametrize("backbone", ["edgenet-n"])


@only_edgenet
@pytest.mark.parametrize("target", ["cpu", "tensorrt"])
def test_every_quantised_node_is_in_one_layer(graph: onnx.ModelProto, target: str) -> None:
    chosen = scheme(target)
    found = layers(graph, chosen)
    nodes = [name for layer in found for name in layer.nodes]
    assert len(nodes) == len(set(nodes))
    assert set(nodes) == {
        node.name for node in graph.graph.node if node.op_type in chosen.operators
    }
    assert len(found) == sum(node.op_type == "Conv" for node in graph.graph.node)
    assert len({layer.name for layer in found}) == len(found)
    assert found[0].name == "backbone.stem.0"
    assert all(layer.cost > 0 for layer in found)


@only_edgenet
def test_a_layer_knows_which_outputs_depend_on_it(graph: onnx.ModelProto) -> None:
    found = {layer.name: layer for layer in layers(graph, scheme("cpu"))}
    everything = {value.name for value in graph.graph.output}
    assert found["backbone.stem.0"].outputs == everything
    ends = [layer for layer in found.values() if len(layer.outputs) == 1]
    assert {name for layer in ends for name in layer.outputs} == everything


def test_activations_and_sums_belong_to_the_convolution_before_them() -> None:
    kernel = numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w.weight")
    other = numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "v.weight")
    shape = (1, 3, 8, 8)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "w.weight"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "v.weight"], ["c"], "twice"),
            helper.make_node("Add", ["c", "b"], ["d"], "twice"),
        ],
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("d", TensorProto.FLOAT, shape)],
        [kernel, other],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    name_nodes(model)
    names = [node.name for node in model.graph.node]
    assert names == ["Conv_0", "Relu_1", "twice", "Add_3"]
    first, second = layers(model, scheme("cpu"))
    assert (first.name, first.nodes) == ("w", ("Conv_0", "Relu_1"))
    assert (second.name, second.nodes) == ("v", ("twice", "Add_3"))
    assert first.cost == 3 * 192 + 16 * (2 * 192 + 2 * 192)


@only_edgenet
@pytest.mark.parametrize("target", ["cpu", "tensorrt"])
def test_layers_that_are_left_out_stay_float(
    network: Network, graph: onnx.ModelProto, streets: Callable[[int], object], target: str
) -> None:
    chosen = scheme(target)
    ranges = calibrate(graph, network.spec, chosen, streets(2))  # type: ignore[arg-type]
    found = layers(graph, chosen)
    kept = found[1:-3]
    quantised = quantize(graph, chosen, ranges, nodes_of(kept))
    assert in_8_bits(quantised, found) == {layer.name for layer in kept}
    assert in_8_bits(quantize(graph, chosen, ranges), found) == {layer.name for layer in found}
    assert quantize(graph, chosen, ranges, ()) is graph
