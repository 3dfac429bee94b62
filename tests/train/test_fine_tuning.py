from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.network.checkpoint import CheckpointError, save_checkpoint
from edge_mtl.network.network import Network
from edge_mtl.spec import ModelSpec, PlaneInput
from edge_mtl.tasks import SegmentationTask
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.fine_tuning import load_start, make_network, set_modes


def test_frozen_stages_get_no_gradient_and_keep_their_statistics(
    make_config: Callable[..., TrainConfig],
) -> None:
    config = make_config(frozen_stages=2)
    network = make_network(config)
    set_modes(network, config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    outputs = network(torch.randn(2, 3, 64, 64))
    torch.stack([value.square().mean() for value in outputs.values()]).sum().backward()
    kept = ("backbone.stem.", "backbone.stages.0.", "backbone.stages.1.")
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith(kept), name
    for name, value in network.state_dict().items():
        if name.endswith("running_mean"):
            assert torch.equal(value, before[name]) == name.startswith(kept), name


def test_frozen_norms_keep_statistics_but_learn(make_config: Callable[..., TrainConfig]) -> None:
    config = make_config(frozen_norm=True)
    network = make_network(config)
    set_modes(network, config)
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.training != name.startswith("backbone."), name
            assert module.weight.requires_grad


def test_a_network_with_an_early_plane_starts_from_one_for_pictures_alone(
    make_config: Callable[..., TrainConfig], spec: ModelSpec, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    without = Network(spec).eval()
    save_checkpoint(tmp_path / "rgb.safetensors", spec, without.state_dict())
    with_depth = msgspec.structs.replace(
        spec, planes=(PlaneInput(name="depth", fusion="early"), PlaneInput(name="thermal"))
    )
    config = make_config(model=with_depth, init=str(tmp_path / "rgb.safetensors"))
    network = make_network(config)
    load_start(network, config)
    image = torch.randn(1, 3, 64, 64)
    planes = {name: torch.randn(1, 1, 64, 64) for name in ("depth", "thermal")}
    with torch.no_grad():
        expected = without(image)
        for name, output in network.eval()(image, planes).items():
            torch.testing.assert_close(output, expected[name])


def test_imagenet_weights_that_do_not_exist_are_an_error(
    make_config: Callable[..., TrainConfig],
) -> None:
    with pytest.raises(EdgeMtlError, match=r"found no ImageNet weights for edgenet-n;"):
        load_start(Network(make_config().model), make_config(imagenet=True))


def test_the_same_seed_starts_from_the_same_weights(
    make_config: Callable[..., TrainConfig],
) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(make_network(make_config()).state_dict())
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_a_run_starts_from_what_fits_of_a_checkpoint(
    tmp_path: Path, make_config: Callable[..., TrainConfig], caplog: pytest.LogCaptureFixture
) -> None:
    """Another network's segmentation has a class more and it has no detection."""
    config = make_config(init=str(tmp_path / "other.safetensors"))
    tasks = (SegmentationTask(name="segmentation", classes=("Sky", "Road", "Car", "Tree")),)
    other = Network(msgspec.structs.replace(config.model, tasks=tasks))
    save_checkpoint(tmp_path / "other.safetensors", other.spec, other.state_dict())
    network = make_network(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with caplog.at_level(logging.INFO, "edge_mtl"):
        load_start(network, config)
    theirs = other.state_dict()
    taken = {
        name: torch.equal(value, theirs[name])
        for name, value in network.state_dict().items()
        if name in theirs and value.shape == theirs[name].shape
    }
    assert all(taken.values())
    assert {name for name in before if name.startswith("backbone.")} <= taken.keys()
    assert before.keys() - taken.keys()
    for name in before.keys() - taken.keys():
        assert torch.equal(network.state_dict()[name], before[name]), name
    [message] = caplog.messages
    assert f"init: {len(taken)} of {len(before)} tensors from" in message
    assert "logits" in message.partition("not used: ")[2]


def test_a_checkpoint_to_start_from_has_to_be_there_and_fit(
    tmp_path: Path, make_config: Callable[..., TrainConfig]
) -> None:
    config = make_config(init=str(tmp_path / "other.safetensors"))
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_start(make_network(config), config)
    save_checkpoint(tmp_path / "other.safetensors", config.model, {"a": torch.zeros(1)})
    message = "edgenet-n with neck_channels = 16, found none that fits"
    with pytest.raises(EdgeMtlError, match=message):
        load_start(make_network(config), config)
    with pytest.raises(UsageError, match="neither a file nor a network that ships"):
        load_start(make_network(config), make_config(init="drivign-s"))
