"""Every part of a network goes the whole way: ONNX, 8 bits, ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask, Task

onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, is missing")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is missing")

WIDTH, HEIGHT = 64, 32
SURFACE = SegmentationTask(name="surface", classes=("sky", "road", "car"))
DETECTION = DetectionTask(classes=("pedestrian",), strides=(8, 16))
POSE = PoseTask(keypoints=("head", "feet"), strides=(8, 16))
TIME = ClassificationTask(name="time", classes=("day", "night"))
PRESENT = ClassificationTask(name="present", classes=("a", "b", "c"), multi_label=True)
KERB = SegmentationTask(name="kerb", classes=("background", "kerb"), stride=2, binary=True)
ROAD = SegmentationTask(name="road", classes=("background", "road"), stride=1, binary=True)
SKY = SegmentationTask(name="sky", classes=("background", "sky"), stride=1, binary=True)

CASES: dict[str, tuple[str, str, tuple[Task, ...]]] = {
    "cross-task": ("edgenet-n", "cross-task", (SURFACE, DETECTION, POSE, TIME, PRESENT, KERB)),
    "squeeze-excite": ("edgenet-n", "squeeze-excite", (SURFACE,)),
    "fusionnet": ("fusionnet", "none", (ROAD, SKY)),
    "multitask-cnn": ("multitask-cnn", "none", (PRESENT, TIME)),
}


class Pictures:
    """Coarse noise, which has ranges that repeat from picture to picture."""

    name = "pictures"
    vocabulary = Vocabulary({})

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> Sample:
        coarse = np.random.default_rng(index).integers(0, 256, (4, 8, 3), np.uint8)
        return Sample(np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1), f"{index}")


def make_network(case: str) -> Network:
    """Random weights of a size that makes every layer matter, norms with true statistics."""
    backbone, attention, tasks = CASES[case]
    spec = ModelSpec(
        name="tiny",
        input=InputSpec(width=WIDTH, height=HEIGHT),
        backbone=backbone,
        neck_channels=16,
        tasks=tasks,
    )
    torch.manual_seed(0)
    network = Network(msgspec.structs.replace(spec, attention=attention)).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over all batches
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.kaiming_normal_(module.weight)
    with torch.no_grad():
        for _ in range(3):
            network(2 * torch.randn(4, 3, HEIGHT, WIDTH))
    return network.eval()


@pytest.mark.parametrize("case", CASES)
def test_it_is_exported_and_quantised(case: str, tmp_path: Path) -> None:
    from edge_mtl.export.calibration import calibrate
    from edge_mtl.export.edges import edge_tensors, strip_edges
    from edge_mtl.export.graph import onnx_from_network
    from edge_mtl.export.quantize import quantize
    from edge_mtl.export.schemes import scheme

    network = make_network(case)
    spec = network.spec
    floating = onnx_from_network(network)  # which compares it with torch
    outputs = [
        (each.name, tuple(dim.dim_value for dim in each.type.tensor_type.shape.dim))
        for each in floating.graph.output
    ]
    assert outputs == [(tensor.name, tensor.shape) for tensor in spec.output_tensors]

    cpu = scheme("cpu")
    quantized = quantize(floating, cpu, calibrate(floating, spec, cpu, Pictures()))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    image = np.random.default_rng(0).normal(size=spec.input_tensor.shape).astype(np.float32)
    image = image.clip(-1.8, 2.2)
    expected, found = (
        onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"image": image})
        for model in (floating, quantized)
    )
    for tensor, value, rounded in zip(spec.output_tensors, expected, found, strict=True):
        error = np.sqrt(np.mean((rounded - value) ** 2)) / (np.abs(value).max() + 1e-6)
        assert error < 0.25, f"{tensor.name}: {error}"

    strip_edges(quantized)
    _, _, edges = edge_tensors(quantized, spec)
    assert {edge.dtype for edge in edges} == {"uint8"}
    onnxruntime.InferenceSession(quantized.SerializeToString(), options)
    kinds = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    assert kinds["QLinearConv"] == sum(node.op_type == "Conv" for node in floating.graph.node)
    assert not kinds.keys() & {"Conv", "FusedConv", "AveragePool", "ReduceMean"}


def test_frozen_norms_do_not_change_what_is_exported() -> None:
    """Training folds them on the fly; an export in the middle of it folds them for good."""
    from edge_mtl.export.graph import folded

    network = make_network("cross-task")
    plain = folded(network).state_dict()
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    exported = folded(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in exported.modules())
    assert plain.keys() == exported.state_dict().keys()
    assert all(torch.equal(plain[k], value) for k, value in exported.state_dict().items())
    image = torch.randn(network.spec.input_tensor.shape)
    with torch.inference_mode():
        expected, found = network(image), exported(image)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-3)
