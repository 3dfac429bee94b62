"""Planes start without influence, and weights for pictures alone go on to load."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import pytest
import torch
from torch import Tensor

from edge_mtl.errors import UsageError
from edge_mtl.network.checkpoint import load_checkpoint, narrow_as, save_checkpoint
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import SegmentationTask

Fusion = Literal["early", "stem"]
BACKBONES = ("edgenet-n", "efficientnet-lite0", "vgg11", "fusionnet")


def spec_of(*fusions: Fusion, backbone: str = "edgenet-n") -> ModelSpec:
    return ModelSpec(
        name="planes",
        input=InputSpec(width=64, height=32),
        planes=tuple(PlaneInput(name=f"p{i}", fusion=each) for i, each in enumerate(fusions)),
        backbone=backbone,
        neck_channels=16,
        tasks=(
            SegmentationTask(
                name="s",
                classes=("no", "yes"),
                binary=True,
                stride=1 if backbone == "fusionnet" else 4,
            ),
        ),
    )


def made(spec: ModelSpec) -> Network:
    torch.manual_seed(0)
    return Network(spec).eval()


def inputs(network: Network) -> tuple[Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    planes = {p.name: torch.randn(2, 1, 32, 64, generator=generator) for p in network.spec.planes}
    return torch.randn(2, 3, 32, 64, generator=generator), planes


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("fusions", [("early",), ("stem",), ("early", "stem", "early")])
def test_a_network_begins_as_it_is_without_planes(
    backbone: str, fusions: tuple[Fusion, ...]
) -> None:
    network = made(spec_of(*fusions, backbone=backbone))
    image, planes = inputs(network)
    without = made(spec_of(backbone=backbone))
    with torch.inference_mode():
        torch.testing.assert_close(network(image, planes)["s"], without(image)["s"])


@pytest.mark.parametrize("fusion", ["early", "stem"])
def test_one_step_of_training_makes_it_look_at_the_plane(fusion: Fusion) -> None:
    network = made(spec_of(fusion)).train()
    image, planes = inputs(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(image, planes)["s"].square().mean().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    network.eval()
    with torch.inference_mode():
        seen = network(image, planes)["s"]
        assert not torch.allclose(network(image, {"p0": -planes["p0"]})["s"], seen)


def test_a_network_without_planes_has_the_weights_that_it_always_had() -> None:
    names = set(made(spec_of()).state_dict())
    assert not any("fusion" in name for name in names)
    early = made(spec_of("early")).state_dict()
    assert set(early) == names
    assert early["backbone.stem.0.weight"].shape == (16, 4, 3, 3)
    assert set(made(spec_of("stem")).state_dict()) > names


def test_weights_for_pictures_alone_load_and_mean_what_they_meant() -> None:
    torch.manual_seed(5)
    without = Network(spec_of()).eval()
    network = made(spec_of("early", "early"))
    network.load_state_dict(without.state_dict())
    image, planes = inputs(network)
    with torch.inference_mode():
        torch.testing.assert_close(network(image, planes)["s"], without(image)["s"])
    assert without.backbone.stem[0].weight.shape[1] == 3  # nothing was done to what was loaded


@pytest.mark.parametrize("name", ["type", "forward"])
def test_a_plane_with_a_name_that_torch_needs_is_refused(name: str) -> None:
    early, stem = (
        msgspec.structs.replace(spec_of(fusion), planes=(PlaneInput(name=name, fusion=fusion),))
        for fusion in ("early", "stem")
    )
    Network(early)
    with pytest.raises(UsageError, match=f"found '{name}'.*choose another name"):
        Network(stem)


def test_a_pruned_network_for_pictures_alone_is_a_start(tmp_path: Path) -> None:
    pruned = made(spec_of()).state_dict()
    inner = "backbone.stages.0.1.first"  # of a residual block
    for name in (f"{inner}.0.weight", *(n for n in pruned if n.startswith(f"{inner}.1."))):
        pruned[name] = pruned[name][:8].clone() if pruned[name].ndim else pruned[name]
    second = "backbone.stages.0.1.second.0.weight"
    pruned[second] = pruned[second][:, :8].clone()
    save_checkpoint(tmp_path / "p.safetensors", spec_of(), pruned, pruned=True)
    network = made(spec_of("early", "stem"))
    narrow_as(network, tmp_path / "p.safetensors")
    assert network.get_submodule(f"{inner}.0").out_channels == 8
    assert network.backbone.stem[0].in_channels == 4
    image, planes = inputs(network)
    assert network(image, planes)["s"].shape == (2, 1, 8, 16)


def test_checkpoints_keep_what_was_learned_of_a_plane(tmp_path: Path) -> None:
    network = made(spec_of("early", "stem"))
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    save_checkpoint(tmp_path / "p.safetensors", network.spec, network.state_dict())
    loaded = load_checkpoint(tmp_path / "p.safetensors", network.spec)
    image, planes = inputs(network)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(image, planes)["s"], network(image, planes)["s"])
