"""AdamW (Loshchilov & Hutter, 2017, arXiv:1711.05101) over a network's parts, and its schedule."""

from __future__ import annotations

import math
from typing import Any

import torch

from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig

_FINAL_RATE = 0.01  # the learning rate at the end, as a factor of the peak
_FIRST_STEP = 1e-3  # epochs; a rate of zero would make the first step nothing


def make_optimizer(network: Network, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that are trained: backbone and the rest, decayed and not.

    Only convolutions decay: pulling norms and biases to zero helps nothing (He et al., 2018,
    arXiv:1812.01187, section 3.1). A group's "factor" is its learning rate beside the network's.
    """
    inside = {id(parameter) for parameter in network.backbone.parameters()}
    groups: list[dict[str, Any]] = []
    for factor, of_backbone in ((config.backbone_rate, True), (1.0, False)):
        trained = [
            each
            for each in network.parameters()
            if each.requires_grad and (id(each) in inside) == of_backbone
        ]
        for decay, decayed in ((config.weight_decay, True), (0.0, False)):
            chosen = [each for each in trained if (each.ndim > 1) == decayed]
            groups.append({"params": chosen, "weight_decay": decay, "factor": factor})
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def set_learning_rate(
    optimizer: torch.optim.Optimizer, config: TrainConfig, epochs_done: float
) -> None:
    """Set every group's rate for a step that starts after so many epochs, in fractions too."""
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * _rate(config, epochs_done) * group["factor"]


def _rate(config: TrainConfig, epochs_done: float) -> float:
    """Linear warm-up, then half a cosine (Loshchilov & Hutter, 2016, arXiv:1608.03983), to 1."""
    if epochs_done < config.warmup_epochs:
        return min(1.0, (epochs_done + _FIRST_STEP) / config.warmup_epochs)
    length = max(1e-9, config.epochs - config.warmup_epochs)
    done = min(1.0, (epochs_done - config.warmup_epochs) / length)
    return _FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * done))
