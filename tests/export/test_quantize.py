from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.export.calibration import LEAST_FRAMES, check_calibration
from edge_mtl.export.edges import strip_edges
from edge_mtl.network.network import Network
from edge_mtl.ops import Preprocessor
from edge_mtl.placement import Placement

Quantized = Callable[[str], onnx.ModelProto]
CONVOLUTIONS = {"edgenet-n": 36, "efficientnet-lite0": 67}


def constants(model: onnx.ModelProto) -> dict[str, Any]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def run(model: onnx.ModelProto, image: Any) -> dict[str, Any]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image}), strict=True))


def test_too_few_frames_are_refused(streets: Callable[[int], Dataset]) -> None:
    check_calibration(streets(LEAST_FRAMES))
    with pytest.raises(UsageError, match=f"at least {LEAST_FRAMES} frames, streets has 31"):
        check_calibration(streets(LEAST_FRAMES - 1))


@pytest.mark.parametrize("backbone", ["edgenet-n"])
@pytest.mark.parametrize("target", ["cpu", "tensorrt"])
def test_quantised_outputs_are_near_the_float_ones(
    network: Network,
    graph: onnx.ModelProto,
    quantized: Quantized,
    target: str,
    streets: Callable[[int], Dataset],
) -> None:
    """For a network of random weights, which is far more sensitive than a trained one."""
    spec = network.spec
    picture = np.empty(spec.input_tensor.shape, np.float32)
    frame = streets(40)[39].image  # not among those that it was calibrated with
    Preprocessor(spec.input, spec.input_tensor)(
        [frame], [Placement.fit((64, 32), spec.input)], picture
    )
    expected, found = run(graph, picture), run(quantized(target), picture)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        error = np.sqrt(np.mean((found[name] - value) ** 2)) / value.std()
        assert error < 0.35, f"{name}: {error}"


def test_the_input_range_is_that_of_preprocessed_frames(quantized: Quantized) -> None:
    model = quantized("cpu")
    node = next(each for each in model.graph.node if each.input[0] == "image")
    assert node.op_type == "QuantizeLinear"
    # Black and white are in the frames: the darkest red to the brightest blue.
    lowest, highest = (0 - 0.485) / 0.229, (1 - 0.406) / 0.225
    scale = float(constants(model)[node.input[1]])
    assert scale == pytest.approx((highest - lowest) / 255, rel=1e-4)
    assert int(constants(model)[node.input[2]]) == round(-lowest / scale)


def test_on_cpus_nothing_is_left_in_float(backbone: str, quantized: Quantized) -> None:
    model = quantized("cpu")
    writers = {name: node.op_type for node in model.graph.node for name in node.output}
    readers = defaultdict(set)
    for node in model.graph.node:
        for name in node.input:
            readers[name].add(node.op_type)
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds.keys() == {"Conv", "Add", "Resize", "QuantizeLinear", "DequantizeLinear"}
    assert kinds["Conv"] == CONVOLUTIONS[backbone]
    for node in model.graph.node:
        if node.op_type in ("Conv", "Add", "Resize"):
            data = node.input[:1] if node.op_type == "Resize" else node.input
            assert {writers[name] for name in data} == {"DequantizeLinear"}, node.name
            assert readers[node.output[0]] == {"QuantizeLinear"}, node.name
    # One pair for the input and every operator's output; weights and biases are stored quantised.
    activations = 1 + kinds["Conv"] + kinds["Add"] + kinds["Resize"]
    assert kinds["QuantizeLinear"] == activations


def test_on_cpus_weights_are_int8_by_channel_and_biases_int32(quantized: Quantized) -> None:
    model = quantized("cpu")
    values = constants(model)
    dequantized = {node.output[0]: node for node in model.graph.node}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        activation, weight, bias = (dequantized[name] for name in node.input)
        assert values[weight.input[0]].dtype == np.int8
        assert values[weight.input[1]].shape == (values[weight.input[0]].shape[0],)
        assert values[bias.input[0]].dtype == np.int32
        assert values[activation.input[2]].dtype == np.uint8


def test_onnx_runtime_computes_every_convolution_in_integers(
    backbone: str, quantized: Quantized, tmp_path: Path
) -> None:
    model = quantized("cpu")
    strip_edges(model)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    optimized = onnx.load(tmp_path / "optimized.onnx")
    kinds = Counter(node.op_type for node in optimized.graph.node)
    assert kinds["QLinearConv"] == CONVOLUTIONS[backbone]
    assert "Conv" not in kinds
    assert "FusedConv" not in kinds
    assert kinds["QLinearAdd"] == sum(node.op_type == "Add" for node in model.graph.node)
    assert "DequantizeLinear" not in kinds


def test_openvino_computes_every_convolution_in_integers(
    backbone: str, quantized: Quantized
) -> None:
    pytest.importorskip("openvino", reason="openvino, of the extra cpu, is missing")
    from edge_mtl.runtime.engines.ov import core

    model = quantized("cpu")
    strip_edges(model)
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    compiled = core().compile_model(core().read_model(model.SerializeToString()), "CPU", options)
    kinds = Counter(
        str(node.get_rt_info()["runtimePrecision"].astype(str))
        for node in compiled.get_runtime_model().get_ops()
        if node.get_rt_info()["layerType"].astype(str) == "Convolution"
    )
    assert sum(kinds.values()) == CONVOLUTIONS[backbone]
    assert kinds.keys() <= {"i8", "u8"}


def test_for_tensorrt_everything_is_signed_and_symmetric(quantized: Quantized) -> None:
    model = quantized("tensorrt")
    values = constants(model)
    pairs = [n for n in model.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    for node in pairs:
        zero_point = values[node.input[2]]
        assert zero_point.dtype == np.int8, node.name  # and so no int32 bias
        assert not zero_point.any(), node.name
    by_output = {node.output[0]: node for node in pairs}
    for node in model.graph.node:
        if node.op_type == "Conv":
            weight = by_output[node.input[1]]
            kernel = values[by_output[weight.input[0]].input[0]]
            assert kernel.dtype == np.float32  # quantised by a pair of its own
            assert values[weight.input[1]].shape == (kernel.shape[0],)
            assert node.input[2] in values  # the bias is a float constant
            assert values[by_output[node.input[0]].input[1]].shape == ()
    edges = [*model.graph.input, *model.graph.output]
    assert {each.type.tensor_type.elem_type for each in edges} == {TensorProto.FLOAT}


def test_for_tensorrt_activations_stay_next_to_what_they_fuse_with(quantized: Quantized) -> None:
    model = quantized("tensorrt")
    writers = {name: node.op_type for node in model.graph.node for name in node.output}
    activations = [node for node in model.graph.node if node.op_type in ("Relu", "Clip")]
    assert activations
    assert {writers[node.input[0]] for node in activations} <= {"Conv", "Add"}
