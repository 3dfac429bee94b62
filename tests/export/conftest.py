"""Tiny networks of both kinds, exported and quantised once for all tests."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_mtl.data.sample import Boxes, Sample, Vocabulary
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask

if TYPE_CHECKING:
    import onnx

    from edge_mtl.network.network import Network

BACKBONES = ("edgenet-n", "efficientnet-lite0")


class Streets:
    """Pictures of every brightness with some structure, labelled for both tasks."""

    vocabulary = Vocabulary({"surface": ("sky", "road", "car")}, ("car",))

    def __init__(self, count: int) -> None:
        self.name = "streets"
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        coarse = rng.integers(0, 256, (4, 8, 3), np.uint8)
        image = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
        image[0, 0], image[0, 1] = 0, 255
        mask = rng.integers(0, 3, (32, 64), np.uint8)
        boxes = Boxes(np.array([[8, 8, 40, 24]], np.float32), np.array([0]))
        return Sample(image, f"street {index}", {"surface": mask}, boxes)


@pytest.fixture(scope="session")
def streets() -> Callable[[int], Streets]:
    return Streets


@cache
def make_network(backbone: str) -> Network:
    """Random weights, batch norms with the statistics of random pictures, heads that say something.

    A fresh detection head gives nearly the same everywhere, which no range of 8 bits shows.
    """
    import torch
    from torch import nn

    from edge_mtl.network.network import Network

    spec = ModelSpec(
        name="tiny",
        input=InputSpec(width=64, height=32),
        backbone=backbone,
        neck_channels=16,
        tasks=(
            SegmentationTask(name="surface", classes=("sky", "road", "car")),
            DetectionTask(classes=("car",), strides=(8, 16)),
        ),
    )
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Network(spec).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over all batches
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.weight, std=0.3)
    with torch.no_grad():
        for _ in range(3):
            network(2 * torch.randn(4, 3, 32, 64))
    return network.eval()


@cache
def make_graph(backbone: str) -> onnx.ModelProto:
    from edge_mtl.export.graph import onnx_from_network

    return onnx_from_network(make_network(backbone))


@cache
def make_quantized(backbone: str, target: str) -> onnx.ModelProto:
    from edge_mtl.export.calibration import calibrate
    from edge_mtl.export.quantize import quantize
    from edge_mtl.export.schemes import scheme

    spec, chosen = make_network(backbone).spec, scheme(target)
    ranges = calibrate(make_graph(backbone), spec, chosen, Streets(32))
    return quantize(make_graph(backbone), chosen, ranges)


@pytest.fixture(params=BACKBONES)
def backbone(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def network(backbone: str) -> Network:
    return make_network(backbone)


@pytest.fixture
def graph(backbone: str) -> onnx.ModelProto:
    """The float graph; a copy of the test's own."""
    return copy.deepcopy(make_graph(backbone))


@pytest.fixture
def quantized(backbone: str) -> Callable[[str], onnx.ModelProto]:
    """By target, the INT8 graph before its edges are stripped; a copy of the test's own."""
    return lambda target: copy.deepcopy(make_quantized(backbone, target))


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads or leaves ranges in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
