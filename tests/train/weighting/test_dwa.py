from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from edge_mtl.train.weighting.dwa import DynamicWeightAverage


def weights_of(weighting: DynamicWeightAverage) -> dict[str, float]:
    x = torch.ones((), requires_grad=True)

    def backward(total: Tensor) -> None:
        total.backward()

    return weighting.backward({"a": x * 1, "b": x * 2}, backward)


def test_four_epochs_by_hand() -> None:
    weighting = DynamicWeightAverage({"a": 1.0, "b": 1.0}, temperature=2.0)
    assert weights_of(weighting) == {"a": 1.0, "b": 1.0}
    weighting.end_epoch({"a": 4.0, "b": 10.0})
    assert weights_of(weighting) == {"a": 1.0, "b": 1.0}
    weighting.end_epoch({"a": 1.0, "b": 8.0})  # ratios 0.25 and 0.8
    a, b = math.exp(0.25 / 2), math.exp(0.8 / 2)
    assert weights_of(weighting) == pytest.approx({"a": 2 * a / (a + b), "b": 2 * b / (a + b)})
    weighting.end_epoch({"a": 1.5, "b": 2.0})  # ratios 1.5 and 0.25
    a, b = math.exp(1.5 / 2), math.exp(0.25 / 2)
    assert weights_of(weighting) == pytest.approx({"a": 2 * a / (a + b), "b": 2 * b / (a + b)})


def test_a_task_without_a_loss_in_an_epoch_keeps_its_ratio() -> None:
    weighting = DynamicWeightAverage({"a": 1.0, "b": 1.0}, temperature=2.0)
    for means in ({"a": 4.0, "b": 10.0}, {"a": 4.0, "b": 5.0}, {"a": 4.0}, {"a": 4.0, "b": 0.0}):
        weighting.end_epoch(means)
    assert weighting.state_dict()["ratios"].tolist() == [1.0, 0.5]
    weighting.end_epoch({"a": 4.0, "b": 4.0})
    assert weighting.state_dict()["ratios"].tolist() == [1.0, 0.8]


def test_a_loss_that_explodes_does_not_overflow() -> None:
    weighting = DynamicWeightAverage({"a": 1.0, "b": 0.5}, temperature=2.0)
    weighting.end_epoch({"a": 1e-6, "b": 1.0})
    weighting.end_epoch({"a": 1e6, "b": 1.0})
    assert weights_of(weighting) == pytest.approx({"a": 2.0, "b": 0.0})
