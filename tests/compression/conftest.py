"""Tiny networks with statistics of their own, and pictures for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.network.network import Network
from edge_mtl.ops import Preprocessor
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask

SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=64, height=32),
    backbone="edgenet-n",
    neck_channels=16,
    tasks=(
        SegmentationTask(name="surface", classes=("sky", "road", "car")),
        DetectionTask(classes=("car",), strides=(8, 16)),
    ),
)
FUSIONNET = ModelSpec(
    name="fusion",
    input=InputSpec(width=64, height=32),
    backbone="fusionnet",
    tasks=(SegmentationTask(name="road", classes=("other", "road"), binary=True, stride=1),),
)


class Streets:
    """Pictures of every brightness with some structure."""

    name = "streets"
    vocabulary = Vocabulary({}, ())

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        coarse = np.random.default_rng(index).integers(0, 256, (4, 8, 3), np.uint8)
        image = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
        image[0, 0], image[0, 1] = 0, 255
        return Sample(image, f"street {index}", {}, None)


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread: None) -> None:
    """These networks are too small to share out."""


@pytest.fixture(scope="session")
def streets() -> Callable[[int], Streets]:
    return Streets


@pytest.fixture(scope="session")
def picture() -> Callable[[int], Tensor]:
    """By number, a picture of `Streets` as the runtime hands it to a network."""

    def make(number: int) -> Tensor:
        frame = Streets(number + 1)[number].image
        made = np.empty(SPEC.input_tensor.shape, np.float32)
        preprocess = Preprocessor(SPEC.input, SPEC.input_tensor)
        preprocess([frame], [Placement.fit((64, 32), SPEC.input)], made)
        return torch.from_numpy(made)

    return make


@pytest.fixture(scope="session")
def make_network() -> Callable[[ModelSpec], Network]:
    """Random weights, batch norms with the statistics of random pictures, heads that say something.

    A network of a spec is the same each time.
    """

    def make(spec: ModelSpec) -> Network:
        torch.manual_seed(0)
        network = Network(spec).train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the plain mean over all batches
            elif isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.normal_(module.weight, std=1.4 / module.weight[0].numel() ** 0.5)
                nn.init.normal_(module.bias, std=0.1)
        with torch.no_grad():
            for _ in range(3):
                network(2 * torch.randn(4, 3, 32, 64))
        return network.eval()

    return make


@pytest.fixture(scope="session")
def spec() -> ModelSpec:
    return SPEC


@pytest.fixture(scope="session")
def fusionnet() -> ModelSpec:
    """A network of five convolutions: not enough for a rounding to grow on its way."""
    return FUSIONNET


def freeze_norms(network: Network) -> Network:
    """In training mode with frozen batch norms, as `FakeQuantization` needs it."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return network


@pytest.fixture(scope="session")
def frozen() -> Callable[[Network], Network]:
    return freeze_norms
