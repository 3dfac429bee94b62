from __future__ import annotations

import math

import pytest
import torch

from edge_mtl.tasks import ClassificationTask
from edge_mtl.train.batch import NO_CLASS
from edge_mtl.train.losses.classification import classification_loss

TIME = ClassificationTask(name="time", classes=("day", "night"))
OBJECTS = ClassificationTask(name="objects", classes=("car", "sign"), multi_label=True)


def test_one_label_is_cross_entropy_over_the_samples_that_say() -> None:
    logits = torch.tensor([[0.0, 0.0], [2.0, 0.0], [9.0, -9.0]])[..., None, None]
    wanted = torch.tensor([0, 1, NO_CLASS])
    expected = (math.log(2) + math.log1p(math.exp(2))) / 2
    assert float(classification_loss(TIME, logits, wanted)) == pytest.approx(expected)


def test_several_labels_are_binary_cross_entropy_over_those_that_are_known() -> None:
    logits = torch.tensor([[0.0, 3.0], [1.0, -2.0]])[..., None, None]
    wanted = torch.tensor([[1.0, math.nan], [0.0, 1.0]])
    expected = (math.log(2) + math.log1p(math.exp(1)) + math.log1p(math.exp(2))) / 3
    assert float(classification_loss(OBJECTS, logits, wanted)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("task", "wanted"),
    [(TIME, torch.full((2,), NO_CLASS)), (OBJECTS, torch.full((2, 2), math.nan))],
)
def test_nothing_known_gives_a_constant_zero(
    task: ClassificationTask, wanted: torch.Tensor
) -> None:
    logits = torch.zeros(2, 2, 1, 1, requires_grad=True)
    loss = classification_loss(task, logits, wanted)
    assert float(loss) == 0.0
    assert not loss.requires_grad
