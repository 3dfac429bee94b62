from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.optimizer import make_optimizer, set_learning_rate


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
def test_every_parameter_is_in_one_group(
    make_config: Callable[..., TrainConfig], weight_decay: float
) -> None:
    config = make_config(weight_decay=weight_decay)
    network = Network(config.model)
    optimizer = make_optimizer(network, config)
    listed = [id(each) for group in optimizer.param_groups for each in group["params"]]
    assert sorted(listed) == sorted(id(each) for each in network.parameters())


def test_only_convolutions_decay_and_frozen_parameters_are_left_out(
    make_config: Callable[..., TrainConfig],
) -> None:
    config = make_config(weight_decay=0.05, backbone_rate=0.1)
    network = Network(config.model)
    network.backbone.stem.requires_grad_(False)
    optimizer = make_optimizer(network, config)
    groups = {
        id(parameter): group for group in optimizer.param_groups for parameter in group["params"]
    }
    for name, parameter in network.named_parameters():
        if name.startswith("backbone.stem."):
            assert id(parameter) not in groups
            continue
        group = groups[id(parameter)]
        assert group["weight_decay"] == (0.05 if parameter.ndim == 4 else 0.0), name
        assert group["factor"] == (0.1 if name.startswith("backbone.") else 1.0), name


def test_the_rate_warms_up_and_falls_by_half_a_cosine(
    make_config: Callable[..., TrainConfig],
) -> None:
    config = make_config(learning_rate=1.0, backbone_rate=0.1, warmup_epochs=2.0, epochs=10)
    optimizer = make_optimizer(Network(config.model), config)

    def rates(epochs_done: float) -> tuple[float, float]:
        set_learning_rate(optimizer, config, epochs_done)
        return optimizer.param_groups[0]["lr"], optimizer.param_groups[-1]["lr"]

    assert 0 < rates(0.0)[1] < 1e-3
    assert rates(1.0)[1] == pytest.approx(0.5, abs=1e-3)
    assert rates(2.0) == pytest.approx((0.1, 1.0))
    assert rates(6.0)[1] == pytest.approx(0.01 + 0.99 * 0.5)
    assert rates(10.0) == pytest.approx((0.001, 0.01))


def test_a_run_may_be_all_warm_up_or_have_none(make_config: Callable[..., TrainConfig]) -> None:
    for warmup in (0.0, 4.0, 9.0):
        config = make_config(learning_rate=1.0, warmup_epochs=warmup, epochs=4)
        optimizer = make_optimizer(Network(config.model), config)
        for epochs_done in (0.0, 1.0, 3.99):
            set_learning_rate(optimizer, config, epochs_done)
            assert 0 < optimizer.param_groups[-1]["lr"] <= 1.0


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)],
)
def test_the_optimiser_is_the_one_that_is_named(
    make_config: Callable[..., TrainConfig], name: str, kind: type
) -> None:
    config = make_config(optimizer=name)
    assert type(make_optimizer(Network(config.model), config)) is kind


def test_auxiliary_heads_and_task_weights_are_trained_too(
    make_config: Callable[..., TrainConfig],
) -> None:
    config = make_config(weight_decay=0.05, backbone_rate=0.1)
    network, head = Network(config.model), nn.Conv2d(4, 2, 1)
    weight = nn.Parameter(torch.zeros(()))
    optimizer = make_optimizer(network, config, auxiliary=head, weighting=[weight])
    groups = {id(each): group for group in optimizer.param_groups for each in group["params"]}
    assert groups[id(head.weight)]["weight_decay"] == 0.05
    assert head.bias is not None
    for each in (head.bias, weight):
        assert (groups[id(each)]["weight_decay"], groups[id(each)]["factor"]) == (0.0, 1.0)
    assert len(groups) == len(list(network.parameters())) + 3
