"""The toy problem of GradNorm (arXiv:1711.02257, section 4), made small."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edge_mtl.train.weighting import WeightingConfig, make_weighting

SCALES = {"small": 1.0, "large": 10.0}
STEPS = 150


def worst_task(config: WeightingConfig) -> float:
    """Train on tasks of one kind and two scales (equation 3); the worst of their losses on new
    data, each divided by its scale squared."""
    torch.manual_seed(0)
    base = torch.randn(8, 4)
    matrices = {name: 0.25 * (base + torch.randn(8, 4)) for name in SCALES}
    trunk = nn.Sequential(nn.Linear(8, 6), nn.Tanh())  # too narrow for both
    heads = nn.ModuleDict({name: nn.Linear(6, 4) for name in SCALES})
    parameters = [*trunk.parameters(), *heads.parameters()]
    weighting = make_weighting(
        config,
        list(SCALES),
        {},
        parameters=parameters,
        last_shared=list(trunk.parameters()),
        seed=0,
    )
    groups: list[dict[str, Any]] = [{"params": parameters, "lr": 0.02}]
    if weighting.parameters():
        # The rate that the paper gives the weights (section 5.1).
        groups.append({"params": weighting.parameters(), "lr": 0.025})
    optimizer = torch.optim.Adam(groups)
    generator = torch.Generator().manual_seed(1)

    def losses(count: int) -> dict[str, Tensor]:
        x = torch.randn(count, 8, generator=generator)
        features = trunk(x)
        return {
            name: (heads[name](features) - scale * torch.tanh(x @ matrices[name])).square().mean()
            for name, scale in SCALES.items()
        }

    for _ in range(STEPS):
        optimizer.zero_grad()
        weighting.backward(losses(64), lambda total: total.backward())
        optimizer.step()
    with torch.no_grad():
        return max(loss.item() / SCALES[name] ** 2 for name, loss in losses(1000).items())


@pytest.fixture(scope="module")
def equal_weights() -> float:
    return worst_task(WeightingConfig())


@pytest.mark.parametrize(
    ("config", "share"),
    [
        (WeightingConfig(method="uncertainty"), 0.6),
        (WeightingConfig(method="gradnorm", gradnorm_alpha=0.12), 0.7),  # alpha as in the paper
        (WeightingConfig(method="pcgrad"), 0.9),
    ],
    ids=lambda value: value.method if isinstance(value, WeightingConfig) else "",
)
def test_the_worst_task_is_better_than_with_equal_weights(
    equal_weights: float, config: WeightingConfig, share: float
) -> None:
    """Not so for dynamic weight average, whose ratios do not see a scale."""
    assert worst_task(config) < share * equal_weights
