"""Lighter networks compute what the full one would: at half its size, or of half of its tasks."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.errors import UsageError
from edge_mtl.export.calibration import calibrate
from edge_mtl.export.deployment import bundle_of
from edge_mtl.export.edges import strip_edges
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.export.layers import name_nodes
from edge_mtl.export.lighter import lighter_graph, lighter_specs
from edge_mtl.export.quantize import quantize
from edge_mtl.export.schemes import scheme
from edge_mtl.export.structured_picture import structured_picture
from edge_mtl.network.network import Network
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import Degrade, InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import (
    ClassificationTask,
    DecodedDetectionTask,
    DetectionTask,
    PoseTask,
    SegmentationTask,
    Task,
)

CARS = DetectionTask(classes=("car", "pedestrian"), strides=(8, 16))
SURFACE = SegmentationTask(name="surface", classes=("sky", "road", "car"))
POSE = PoseTask(keypoints=("nose", "left_hip"), strides=(8, 16))
TIME = ClassificationTask(name="time", classes=("day", "night"))
SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=128, height=64),
    backbone="edgenet-n",
    neck_channels=16,
    tasks=(SURFACE, CARS, POSE, TIME),
)


@cache
def network() -> Network:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = Network(SPEC).train()
    with torch.no_grad():
        for _ in range(3):
            made(torch.randn(4, 3, 64, 128))
    return made.eval()


@cache
def float_graph() -> onnx.ModelProto:
    graph = onnx_from_network(network())
    name_nodes(graph)
    return graph


class Noise:
    """Pictures of noise."""

    vocabulary = None
    name = "noise"

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> Any:
        from edge_mtl.data.sample import Sample

        rng = np.random.default_rng(index)
        return Sample(rng.integers(0, 256, (64, 128, 3), np.uint8), str(index))


@cache
def quantised_graph() -> onnx.ModelProto:
    chosen = scheme("cpu")
    ranges = calibrate(float_graph(), SPEC, chosen, Noise())  # type: ignore[arg-type]
    model = quantize(float_graph(), chosen, ranges)
    strip_edges(model)
    return model


def degrading(how: Degrade, *tasks: Task, **changes: Any) -> ModelSpec:
    return msgspec.structs.replace(SPEC, degrade=how, tasks=tasks or SPEC.tasks, **changes)


def outputs(model: onnx.ModelProto, picture: NDArray[Any]) -> dict[str, NDArray[Any]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": picture}), strict=True))


def pixels(size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, (1, 3, *size[::-1]), np.uint8)


def test_half_resolution_is_the_network_of_the_halved_spec() -> None:
    """The classification too, whose pool over the whole picture has its size in the graph."""
    spec = degrading("half_resolution")
    [half] = lighter_specs(float_graph(), spec)
    assert half.input.size == (64, 32)
    assert (half.tasks, half.degrade, half.input.mean) == (SPEC.tasks, None, SPEC.input.mean)
    small = Network(half).eval()
    small.load_state_dict(network().state_dict())
    picture = structured_picture(half.input_tensor.shape)
    found = outputs(lighter_graph(float_graph(), spec, half), picture)
    with torch.inference_mode():
        wanted = small(torch.from_numpy(picture))
    assert list(found) == [tensor.name for tensor in half.output_tensors]
    for tensor in half.output_tensors:
        assert found[tensor.name].shape == tensor.shape
        np.testing.assert_allclose(found[tensor.name], wanted[tensor.name], atol=2e-4, rtol=1e-4)


def test_half_resolution_keeps_weights_and_ranges_in_8_bits() -> None:
    spec = degrading("half_resolution")
    [half] = lighter_specs(float_graph(), spec)
    found = lighter_graph(quantised_graph(), spec, half)
    constants = [
        {each.name: numpy_helper.to_array(each).tobytes() for each in model.graph.initializer}
        for model in (quantised_graph(), found)
    ]
    assert constants[0] == constants[1]
    raw = outputs(found, pixels(half.input.size))
    assert {each.dtype.name for each in raw.values()} == {"uint8"}
    # In 8 bits as near to the float network as at full size, of which it has the ranges.
    floats = outputs(lighter_graph(float_graph(), spec, half), _normalised(found, half))
    bundle = bundle_of(Path("half.emtl"), half, "cpu", "int8", found)
    for tensor in bundle.manifest.outputs:
        value = tensor.scale * (raw[tensor.name].astype(np.float32) - tensor.zero_point)
        apart = value - floats[tensor.name]
        assert np.sqrt(np.mean(apart**2)) < 0.35 * floats[tensor.name].std() + tensor.scale


def _normalised(model: onnx.ModelProto, spec: ModelSpec) -> NDArray[Any]:
    """What the pixels of a quantised input stand for."""
    image = bundle_of(Path("a.emtl"), spec, "cpu", "int8", model).manifest.input
    values = pixels(spec.input.size).astype(np.float32) - image.zero_point
    return (image.scale * values).astype(np.float32)


@pytest.mark.parametrize("kind", ["float32", "8 bits"])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_every_second_task_is_bit_for_bit_that_of_the_full_network(kind: str, engine: str) -> None:
    pytest.importorskip(engine, reason=f"{engine}, of the extra cpu, is missing")
    spec = degrading("every_second_task")
    specs = lighter_specs(float_graph(), spec)
    # Poses need their boxes; every task is in one of the two.
    assert [[task.name for task in each.tasks] for each in specs] == [
        ["surface"],
        ["detection", "pose", "time"],
    ]
    model = float_graph() if kind == "float32" else quantised_graph()
    wanted = _raw(engine, spec, model)
    for each in specs:
        part = lighter_graph(model, spec, each)
        assert len(part.graph.node) < len(model.graph.node)
        found = _raw(engine, each, part)
        assert list(found) == [tensor.name for tensor in each.output_tensors]
        for name, value in found.items():
            np.testing.assert_array_equal(value, wanted[name])


def _raw(engine: str, spec: ModelSpec, model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    running = open_engine(engine, bundle_of(Path("a.emtl"), spec, "cpu", "fp32", model), 1)
    running.image[...] = (
        pixels(spec.input.size)
        if running.image.dtype == np.uint8
        else structured_picture(spec.input_tensor.shape)
    )
    running.infer()
    copied = {name: value.copy() for name, value in running.outputs.items()}
    running.close()
    return copied


def test_a_network_that_does_not_degrade_has_no_lighter_one() -> None:
    assert lighter_specs(float_graph(), SPEC) == ()


@pytest.mark.parametrize("tasks", [(SURFACE,), (CARS, POSE)])
def test_what_cannot_be_divided_is_refused(tasks: tuple[Task, ...]) -> None:
    with pytest.raises(UsageError, match="expected two tasks that can do without each other, foun"):
        lighter_specs(float_graph(), degrading("every_second_task", *tasks))


def test_tasks_that_share_a_trunk_stay_together() -> None:
    """Two that share all but their last layer, and one with as much of its own."""
    tasks = tuple(ClassificationTask(name=name, classes=("no", "yes")) for name in "abc")
    nodes, weights = [], []

    def conv(source: str, target: str, channels: int, seen: int) -> None:
        weight = np.zeros((channels, seen, 32, 32) if source == "image" else (channels, seen, 1, 1))
        weights.append(numpy_helper.from_array(weight.astype(np.float32), f"{target}_weight"))
        nodes.append(helper.make_node("Conv", [source, f"{target}_weight"], [target], target))

    conv("image", "shared", 64, 3)
    conv("shared", "a", 2, 64)
    conv("image", "own", 64, 3)
    conv("own", "b", 2, 64)
    conv("shared", "c", 2, 64)
    spec = degrading("every_second_task", *tasks, input=InputSpec(width=32, height=32))
    specs = lighter_specs(_model(spec, nodes, weights), spec)
    assert [[task.name for task in each.tasks] for each in specs] == [["a", "c"], ["b"]]


def _model(spec: ModelSpec, nodes: list[Any], weights: list[Any]) -> onnx.ModelProto:
    def value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes,
        "made",
        [value("image", spec.input_tensor.shape)],
        [value(tensor.name, tensor.shape) for tensor in spec.output_tensors],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


LOGITS = SegmentationTask(name="logits", classes=("a", "b", "c"), stride=1)


@pytest.mark.parametrize(
    ("size", "backbone", "said"),
    [
        ((160, 64), "edgenet-n", "input.width must be a multiple of 32, found 80"),
        ((31, 32), "imported", "found 31x32"),
        ((8, 8), "imported", "Expected `int` >= 8"),
    ],
)
def test_a_size_without_a_half_is_refused(size: tuple[int, int], backbone: str, said: str) -> None:
    width, height = size
    spec = degrading(
        *("half_resolution", LOGITS),
        input=InputSpec(width=width, height=height),
        backbone=backbone,
    )
    with pytest.raises(
        UsageError, match="half resolution: expected a network that takes half"
    ) as e:
        lighter_specs(float_graph(), spec)
    assert said in str(e.value)
    assert "degrade by every_second_task, or not at all" in str(e.value)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ([1, 3, 32, 32], "its output 'logits' is 1x3x32x32, not 1x3x16x16"),
        ([1, 3, 16, 64], "something in it has a fixed size"),  # it was not even right at full size
        ([1, 1, 1, -1, 32, 32], "something in it has a fixed size"),
    ],
)
def test_a_graph_of_fixed_size_is_refused(shape: list[int], said: str) -> None:
    """A Reshape to a size, as detectors have; of another rank, a Squeeze behind it."""
    spec = degrading(
        "half_resolution", LOGITS, input=InputSpec(width=32, height=32), backbone="imported"
    )
    nodes = [helper.make_node("Reshape", ["image", "shape"], ["logits"], "reshape")]
    if len(shape) > 4:
        nodes = [
            helper.make_node("Reshape", ["image", "shape"], ["wide"], "reshape"),
            helper.make_node("Reshape", ["wide", "size"], ["logits"], "back"),
        ]
    weights = [
        numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in {"shape": shape, "size": [1, 3, 32, 32]}.items()
    ]
    with pytest.raises(UsageError) as error:
        lighter_specs(_model(spec, nodes, weights), spec)
    assert said in str(error.value)


def test_a_size_that_only_running_shows_is_refused() -> None:
    """Through a Reshape to (1, 3, 512) and back by what the input's shape is at half size."""
    spec = degrading(
        "half_resolution", LOGITS, input=InputSpec(width=32, height=32), backbone="imported"
    )
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["flat"], "flatten"),
        helper.make_node("ReduceMean", ["flat"], ["mean"], "mean", keepdims=0),
        helper.make_node("Add", ["image", "mean"], ["logits"], "add"),
    ]
    weights = [numpy_helper.from_array(np.array([3, 1024], np.int64), "shape")]
    with pytest.raises(UsageError, match="onnxruntime refuses the network"):
        lighter_specs(_model(spec, nodes, weights), spec)


def test_planes_are_halved_with_the_picture() -> None:
    spec = degrading(
        *("half_resolution", LOGITS),
        input=InputSpec(width=32, height=32),
        planes=(PlaneInput(name="depth"),),
        backbone="imported",
    )
    node = helper.make_node("Add", ["image", "depth"], ["logits"], "add")
    model = _model(spec, [node], [])
    depth = helper.make_tensor_value_info("depth", TensorProto.FLOAT, (1, 1, 32, 32))
    model.graph.input.append(depth)
    [half] = lighter_specs(model, spec)
    found = bundle_of(Path("a.emtl"), half, "cpu", "fp32", lighter_graph(model, spec, half))
    running = open_engine("onnxruntime", found, 1)
    assert (running.image.shape, running.planes["depth"].shape) == ((1, 3, 16, 16), (1, 1, 16, 16))
    running.image.fill(2.0)
    running.planes["depth"].fill(3.0)
    running.infer()
    np.testing.assert_array_equal(running.outputs["logits"], np.full((1, 3, 16, 16), 5.0))
    running.close()


def test_a_detector_that_lists_its_boxes_has_no_half() -> None:
    task = DecodedDetectionTask(classes=("car",), candidates=1024)
    spec = degrading(
        "half_resolution", task, input=InputSpec(width=32, height=32), backbone="imported"
    )
    nodes = [helper.make_node("Reshape", ["image", "shape"], ["detection"], "flatten")]
    wide = copy.deepcopy(nodes)
    weights = [numpy_helper.from_array(np.array([1, 5, -1, 1], np.int64), "shape")]
    model = _model(spec, wide, weights)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    with pytest.raises(UsageError, match="its output 'detection' is 1x5x256x1, not 1x5x1024x1"):
        lighter_specs(model, spec)
