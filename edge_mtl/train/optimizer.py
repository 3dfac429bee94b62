"""The optimiser over a network's parts, and the schedule of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig

_FINAL_RATE = 0.01  # the learning rate at the end, as a factor of the peak
_FIRST_STEP = 1e-3  # epochs; a rate of zero would make the first step nothing
_MOMENTUM = 0.9


def make_optimizer(
    network: Network,
    config: TrainConfig,
    *,
    auxiliary: nn.Module | None = None,
    weighting: Sequence[nn.Parameter] = (),
) -> torch.optim.Optimizer:
    """An optimiser over what is trained: backbone and the rest, decayed and not.

    "adamw" is AdamW (Loshchilov & Hutter, 2017, arXiv:1711.05101); "adam" (Kingma & Ba, 2014,
    arXiv:1412.6980) adds the decay to the gradient instead; "sgd" has Nesterov's momentum of 0.9.

    Only convolutions decay: pulling norms and biases to zero helps nothing (He et al., 2018,
    arXiv:1812.01187, section 3.1). A group's "factor" is its learning rate beside the network's.

    auxiliary: heads that are trained along with the network.
    weighting: the parameters of the task weighting.
    """
    backbone = list(network.backbone.parameters())
    inside = set(map(id, backbone))
    rest = [each for each in network.parameters() if id(each) not in inside]
    rest += auxiliary.parameters() if auxiliary else ()
    groups = [
        *_decayed_and_not(backbone, config.weight_decay, config.backbone_rate),
        *_decayed_and_not(rest, config.weight_decay, 1.0),
    ]
    if weighting:
        groups.append({"params": list(weighting), "weight_decay": 0.0, "factor": 1.0})
    rate = config.learning_rate
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=_MOMENTUM, nesterov=True)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=rate)


def _decayed_and_not(
    parameters: Iterable[nn.Parameter], decay: float, factor: float
) -> list[dict[str, Any]]:
    trained = [each for each in parameters if each.requires_grad]
    return [
        {
            "params": [each for each in trained if (each.ndim > 1) == decayed],
            "weight_decay": decay if decayed else 0.0,
            "factor": factor,
        }
        for decayed in (True, False)
    ]


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
