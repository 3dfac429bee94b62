from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor

from edge_mtl.network.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_tensors,
    narrow_as,
    save_checkpoint,
)
from edge_mtl.network.narrowing import is_narrow, narrow, network_from_weights
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask

SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=64, height=32),
    backbone="efficientnet-lite0",
    neck_channels=8,
    tasks=(DetectionTask(classes=("car",), strides=(8,)),),
)
EXPANDED = "backbone.stages.1.0.layers"  # 16 channels to 96, each filtered, to 24
KEPT = torch.arange(0, 96, 2)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Those of a network of which one block has lost every other inner channel, by hand."""
    torch.manual_seed(0)
    narrowed = Network(SPEC).state_dict()
    for name, value in narrowed.items():
        if name.startswith((f"{EXPANDED}.0.", f"{EXPANDED}.1.")) and value.ndim:
            narrowed[name] = value[KEPT].clone()
    narrowed[f"{EXPANDED}.2.0.weight"] = narrowed[f"{EXPANDED}.2.0.weight"][:, KEPT].clone()
    return narrowed


def test_layers_get_the_widths_of_the_weights(weights: dict[str, Tensor]) -> None:
    network = network_from_weights(SPEC, weights).eval()
    expand, depthwise, project = (network.get_submodule(f"{EXPANDED}.{i}.0") for i in range(3))
    assert (expand.in_channels, expand.out_channels, expand.groups) == (16, 48, 1)
    assert (depthwise.in_channels, depthwise.out_channels, depthwise.groups) == (48, 48, 48)
    assert (project.in_channels, project.out_channels, project.groups) == (48, 24, 1)
    assert network.get_submodule(f"{EXPANDED}.1.1").num_features == 48
    assert network.backbone.channels == (16, 24, 40, 112, 320)
    assert all(torch.equal(network.state_dict()[name], value) for name, value in weights.items())


def test_a_narrow_network_computes_what_the_wide_one_does_without_the_rest(
    weights: dict[str, Tensor],
) -> None:
    torch.manual_seed(0)
    wide = Network(SPEC).eval()
    with torch.no_grad():
        dropped = torch.ones(96, dtype=torch.bool)
        dropped[KEPT] = False
        wide.get_submodule(f"{EXPANDED}.2.0").weight[:, dropped] = 0
        image = torch.randn(1, 3, 32, 64)
        expected, found = wide(image), network_from_weights(SPEC, weights).eval()(image)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_checkpoint_tells_that_it_was_pruned(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    assert not is_narrow(SPEC, Network(SPEC).state_dict())
    path = tmp_path / "narrow.safetensors"
    save_checkpoint(path, SPEC, weights, pruned=True)
    loaded = load_checkpoint(path, SPEC)
    assert not loaded.training
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in weights.items())


def test_asking_leaves_the_random_numbers_alone(weights: dict[str, Tensor]) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    assert is_narrow(SPEC, weights)
    assert torch.equal(torch.rand(4), expected)


def test_narrow_weights_that_do_not_say_so_are_an_error(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, SPEC, weights)
    with pytest.raises(CheckpointError, match="its weights do not fit its spec"):
        load_checkpoint(path)


@pytest.mark.parametrize("name", [f"{EXPANDED}.2.0.weight", f"{EXPANDED}.1.1.running_var"])
def test_layers_that_do_not_fit_each_other(
    tmp_path: Path, weights: dict[str, Tensor], name: str
) -> None:
    torn = {**weights, name: weights[name].narrow(int(weights[name].ndim > 1), 0, 5)}
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, SPEC, torn, pruned=True)
    with pytest.raises(CheckpointError, match="its weights do not fit its spec"):
        load_checkpoint(path)


def test_wider_layers_and_other_kernels_are_not_taken_over(weights: dict[str, Tensor]) -> None:
    network = Network(SPEC)
    before = {name: value.shape for name, value in network.state_dict().items()}
    stem = "backbone.stem.0.weight"
    narrow(network, {stem: torch.zeros(40, 3, 3, 3)})
    narrow(network, {stem: torch.zeros(16, 3, 5, 5)})
    assert {name: value.shape for name, value in network.state_dict().items()} == before


def test_a_network_to_train_on_takes_the_widths_only(
    tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    path = tmp_path / "narrow.safetensors"
    save_checkpoint(path, SPEC, weights, pruned=True)
    network = Network(SPEC)
    narrow_as(network, path)
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    assert shapes == {name: value.shape for name, value in load_tensors(path)[0].items()}
    assert all(each.requires_grad for each in network.parameters())

    whole = tmp_path / "whole.safetensors"
    save_checkpoint(whole, SPEC, Network(SPEC).state_dict())
    untouched = Network(SPEC)
    narrow_as(untouched, whole)
    assert not is_narrow(SPEC, untouched.state_dict())


def test_the_widths_of_another_network(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "narrow.safetensors"
    save_checkpoint(path, SPEC, weights, pruned=True)
    another = msgspec.structs.replace(SPEC, backbone="efficientnet-lite2")
    with pytest.raises(CheckpointError, match="was pruned from another kind of network"):
        narrow_as(Network(another), path)
