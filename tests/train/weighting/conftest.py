"""A trunk of one layer and a head for each of two tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from edge_mtl.train.weighting import Weighting, WeightingConfig, make_weighting


class Toy(nn.Module):
    """Two regressions from 4 numbers, `large` at 30 times the scale of `small`."""

    scales: Mapping[str, float] = {"small": 1.0, "large": 30.0}

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(4, 6)
        self.heads = nn.ModuleDict({name: nn.Linear(6, 2) for name in self.scales})

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """By task, the mean squared error of (N, 4) float32."""
        features = torch.tanh(self.trunk(x))
        return {
            name: (head(features) - self.scales[name] * torch.sin(x[:, :2] + k)).square().mean()
            for k, (name, head) in enumerate(self.heads.items())
        }

    def weighting(
        self, config: WeightingConfig, factors: Mapping[str, float] | None = None
    ) -> Weighting:
        return make_weighting(
            config,
            list(self.scales),
            factors or {},
            parameters=list(self.parameters()),
            last_shared=list(self.trunk.parameters()),
            seed=3,
        )


@pytest.fixture
def make_toy() -> Callable[[], Toy]:
    """The same network, made anew."""

    def make() -> Toy:
        torch.manual_seed(0)
        return Toy()

    return make
