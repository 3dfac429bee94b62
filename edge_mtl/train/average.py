"""The exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """Averages what a network's state holds, with a decay that grows from 0.1 to `decay`.

    Polyak averaging as used since Tarvainen & Valpola, 2017 (arXiv:1703.01780); the early steps
    decay faster, so that the random start is soon forgotten. Counters are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.weights = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the network after optimisation step `step`, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            average = self.weights[name]
            if average.is_floating_point():
                average.lerp_(value, 1.0 - decay)
            else:
                average.copy_(value)
