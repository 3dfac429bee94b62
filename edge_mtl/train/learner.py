"""`Learner`: everything of a run that changes while it learns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from edge_mtl.compression.fake_quantization import FakeQuantization
from edge_mtl.export.schemes import scheme
from edge_mtl.network.auxiliary import AuxiliaryHeads
from edge_mtl.network.network import Network
from edge_mtl.train.average import WeightAverage
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.fine_tuning import load_start, make_network
from edge_mtl.train.optimizer import make_optimizer
from edge_mtl.train.weighting import Weighting, make_weighting


@dataclass(frozen=True, slots=True)
class Learner:
    """What a step of a run changes, and what an interrupted run needs back.

    auxiliary: the heads that exist in training only, and are in no checkpoint.
    quantization: rounds as the exported network will, where the run learns of that.
    average: of the weights of the network alone.
    """

    network: Network
    auxiliary: AuxiliaryHeads | None
    quantization: FakeQuantization | None
    weighting: Weighting
    optimizer: torch.optim.Optimizer
    average: WeightAverage

    def parameters(self) -> list[nn.Parameter]:
        """Those of the network and of its auxiliary heads that are trained."""
        return [each for each in _parameters(self.network, self.auxiliary) if each.requires_grad]


def make_learner(config: TrainConfig, device: torch.device, fresh: bool) -> Learner:
    """A run before its first step, on a device.

    fresh: start from the weights that the configuration names; otherwise `restore_learner` is to
        bring those of this run.

    Raises:
        EdgeMtlError: as of `load_start`.
        UsageError: auxiliary heads are asked for and the network can have none, or it cannot learn
            of 8 bits.
    """
    network = make_network(config)
    if fresh:
        load_start(network, config)
    network.to(device)
    auxiliary = None
    if config.loss.auxiliary:
        auxiliary = AuxiliaryHeads(config.model, network.backbone.channels).to(device)
    quantization = None
    if config.quantization_aware:
        target = scheme(config.quantization_aware)
        quantization = FakeQuantization(network, target).to(device)
    weighting = make_weighting(
        config.weighting,
        [task.name for task in config.model.tasks],
        config.loss_weights,
        parameters=_parameters(network, auxiliary),
        last_shared=_last_shared(network),
        seed=config.seed,
    )
    optimizer = make_optimizer(
        network, config, auxiliary=auxiliary, weighting=weighting.parameters()
    )
    average = WeightAverage(network, config.ema)
    return Learner(network, auxiliary, quantization, weighting, optimizer, average)


def _parameters(network: Network, auxiliary: AuxiliaryHeads | None) -> list[nn.Parameter]:
    return [*network.parameters(), *(auxiliary.parameters() if auxiliary else ())]


def _last_shared(network: Network) -> list[nn.Parameter]:
    """The last parameters that all tasks share and that are trained: of the neck where every head
    reads it, otherwise of one stage of the backbone. What some tasks do not reach would balance the
    others among themselves and leave these as they are."""
    modules = [network.backbone.stem, *network.backbone.stages]
    if network.neck is not None and all(head.strides for head in network.heads):
        modules.append(network.neck)
    for module in reversed(modules):
        trained = [each for each in module.parameters() if each.requires_grad]
        if trained:
            return trained
    return []
