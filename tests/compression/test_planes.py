"""Networks with planes are pruned and trained with 8 bits as others are."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from edge_mtl.compression.fake_quantization import FakeQuantization
from edge_mtl.compression.pruning import prune
from edge_mtl.data.datasets import Dataset
from edge_mtl.data.rendered import VOCABULARY, RenderedScenes
from edge_mtl.data.sample import Sample
from edge_mtl.export.schemes import scheme
from edge_mtl.network.narrowing import network_from_weights
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import SegmentationTask

SPEC = ModelSpec(
    name="planes",
    input=InputSpec(width=64, height=64),
    planes=(PlaneInput(name="depth", fusion="early"), PlaneInput(name="thermal")),
    backbone="edgenet-n",
    neck_channels=16,
    tasks=(SegmentationTask(name="s", classes=("a", "b")),),
)
PLANES = {"depth": torch.ones(2, 1, 64, 64), "thermal": torch.ones(2, 1, 64, 64)}


class TwoFrames:
    """Rendered, with a thermal image that shows depth."""

    name = "two"
    vocabulary = dataclasses.replace(VOCABULARY, planes=("depth", "thermal"))

    def __init__(self) -> None:
        self._scenes = RenderedScenes(2, seed=1, size=(64, 64))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        sample = self._scenes[index]
        return dataclasses.replace(sample, planes=dict.fromkeys(PLANES, sample.planes["depth"]))


def made() -> Network:
    torch.manual_seed(0)
    network = Network(SPEC).eval()
    assert network.fusion is not None
    nn.init.normal_(network.fusion.stems["thermal"][1].weight, std=0.1)
    return network


def test_pruning_narrows_the_stems_of_planes_with_the_picture_s() -> None:
    frames: Dataset = TwoFrames()
    narrow = prune(made(), 0.5, frames)
    weights = narrow.state_dict()
    assert weights["backbone.stem.0.weight"].shape == (8, 4, 3, 3)
    assert weights["fusion.stems.thermal.1.weight"].shape[0] == 8
    again = network_from_weights(SPEC, weights).eval()
    picture = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(picture, PLANES)["s"], narrow(picture, PLANES)["s"])


def test_8_bit_training_rounds_what_planes_become() -> None:
    network = made()
    quantization = FakeQuantization(network, scheme("cpu"))
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    picture = torch.randn(2, 3, 64, 64)
    with quantization:
        rounded = network(picture, PLANES)["s"]
    exact = network(picture, PLANES)["s"]
    assert 0 < (rounded - exact).abs().max() < 0.1 * exact.detach().abs().max() + 0.05
    rounded.square().mean().backward()  # type: ignore[no-untyped-call]
    assert network.fusion is not None
    for parameter in network.fusion.parameters():
        assert parameter.grad is not None
        assert parameter.grad.any()
