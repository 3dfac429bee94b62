from __future__ import annotations

import pytest
import torch
from torch import nn

from edge_mtl.train.average import WeightAverage


def test_early_steps_forget_faster() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    average = WeightAverage(layer, decay=0.5)
    nn.init.ones_(layer.weight)
    average.update(layer, step=0)  # decay 1/10
    assert float(average.weights["weight"]) == pytest.approx(0.9)
    average.update(layer, step=2)  # 3/12
    assert float(average.weights["weight"]) == pytest.approx(0.9 + 0.75 * 0.1)
    average.update(layer, step=1000)  # 0.5
    assert float(average.weights["weight"]) == pytest.approx(0.9875)


def test_it_keeps_its_own_copy_and_copies_counters() -> None:
    norm = nn.BatchNorm1d(2)
    average = WeightAverage(norm, decay=0.9)
    norm(torch.randn(8, 2) + 5)
    assert float(average.weights["running_mean"].max()) == 0.0
    average.update(norm, step=0)
    assert int(average.weights["num_batches_tracked"]) == 1
    assert float(average.weights["running_mean"].min()) > 0.3
    assert not average.weights["weight"].requires_grad
