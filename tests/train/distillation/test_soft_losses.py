from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from edge_mtl.train.distillation import soft_losses
from edge_mtl.train.distillation.soft_losses import cells_loss, divergence_loss, presence_loss

ALL = torch.ones(1, 1, 1, dtype=torch.bool)


def logits_of(*probabilities: float) -> Tensor:
    """(1, C, 1, 1)."""
    return torch.tensor(probabilities).log().reshape(1, -1, 1, 1)


def test_the_divergence_of_two_known_distributions() -> None:
    student, teacher = logits_of(0.5, 0.5), logits_of(0.8, 0.2)
    expected = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    assert divergence_loss(student, teacher, ALL, 1.0).item() == pytest.approx(expected, rel=1e-5)
    assert divergence_loss(teacher, teacher, ALL, 1.0).item() == pytest.approx(0.0, abs=1e-7)


def test_a_temperature_keeps_the_size_of_the_gradient() -> None:
    """Of small logits around zero the gradient is their difference by the number of classes,
    whatever the temperature (Hinton et al., equation 4)."""
    teacher = torch.tensor([0.03, -0.01, -0.02]).reshape(1, 3, 1, 1)
    for temperature in (5.0, 50.0):
        student = torch.zeros(1, 3, 1, 1, requires_grad=True)
        divergence_loss(student, teacher, ALL, temperature).backward()
        assert student.grad is not None
        assert torch.allclose(student.grad, -teacher / 3, rtol=0.02)


def test_only_what_is_counted_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 2, 4, 3, 5, generator=generator)
    counted = torch.rand(2, 3, 5, generator=generator) > 0.5
    expected = torch.stack(
        [
            divergence_loss(
                student[n : n + 1, :, y : y + 1, x : x + 1],
                teacher[n : n + 1, :, y : y + 1, x : x + 1],
                ALL,
                2.0,
            )
            for n, y, x in counted.nonzero().tolist()
        ]
    ).mean()
    assert torch.allclose(divergence_loss(student, teacher, counted, 2.0), expected)
    nothing = divergence_loss(student, teacher, torch.zeros_like(counted), 2.0)
    assert nothing.item() == 0.0


def test_presence_is_zero_where_both_agree_and_least_there() -> None:
    teacher = torch.tensor([[2.0, -1.0]])
    counted = torch.ones(1, 2, dtype=torch.bool)
    assert presence_loss(teacher, teacher, counted).item() == pytest.approx(0.0, abs=1e-7)
    wanted = teacher.sigmoid()
    cross = -(wanted * math.log(0.5) + (1 - wanted) * math.log(0.5))
    entropy = -(wanted * wanted.log() + (1 - wanted) * (1 - wanted).log())
    found = presence_loss(torch.zeros(1, 2), teacher, counted)
    assert torch.allclose(found, (cross - entropy).mean())
    counted[0, 1] = False
    found = presence_loss(torch.zeros(1, 2), teacher, counted)
    assert torch.allclose(found, (cross - entropy)[0, 0])


def cells(scores: list[list[float]], box: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """One picture of A cells with these class scores, all with the same box."""
    logits = torch.tensor([scores]).logit()
    return logits, torch.tensor(box).expand(1, len(scores), 4).clone()


COUNTED = torch.ones(1, dtype=torch.bool)


def test_a_student_that_says_the_same_has_no_loss() -> None:
    said = cells([[0.9, 0.1], [0.01, 0.02]], (0.0, 0.0, 10.0, 10.0))
    assert cells_loss(said, said, COUNTED).item() == pytest.approx(0.0, abs=1e-6)


def test_boxes_are_compared_where_the_teacher_sees_objects() -> None:
    """Boxes 10 wide, shifted by 5: IoU 1/3 with nothing else in the hull, GIoU 1/3."""
    scores = [[0.9, 0.1], [0.01, 0.02]]
    teacher, student = (cells(scores, (x, 0.0, x + 10.0, 10.0)) for x in (0.0, 5.0))
    # One object of score 0.9, under a normaliser of at least 1.
    assert cells_loss(student, teacher, COUNTED).item() == pytest.approx(2 * 0.9 * 2 / 3, rel=1e-4)
    teacher = cells([[0.9, 0.1], [0.8, 0.02]], (0.0, 0.0, 10.0, 10.0))
    student = (teacher[0], student[1])
    assert cells_loss(student, teacher, COUNTED).item() == pytest.approx(2 * 2 / 3, rel=1e-4)


def test_class_scores_are_soft_targets() -> None:
    box = (0.0, 0.0, 10.0, 10.0)
    teacher, student = cells([[0.7]], box), cells([[0.5]], box)
    expected = 0.2**2 * -math.log(0.5)  # the quality focal loss of 0.5 against 0.7
    assert cells_loss(student, teacher, COUNTED).item() == pytest.approx(expected, rel=1e-5)


def test_pictures_that_are_not_counted_give_nothing() -> None:
    teacher = cells([[0.9, 0.1]], (0.0, 0.0, 10.0, 10.0))
    student = cells([[0.2, 0.6]], (5.0, 0.0, 15.0, 10.0))
    assert cells_loss(student, teacher, ~COUNTED).item() == 0.0


def test_two_processes_of_which_one_counts_a_single_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mean of their losses, of which the other's is 0, is the loss of one process."""
    student, teacher = logits_of(0.5, 0.5), logits_of(0.8, 0.2)
    one = torch.tensor([[True, False]])
    calls = [
        lambda: divergence_loss(student, teacher, ALL, 1.0),
        lambda: presence_loss(student[..., 0, 0], teacher[..., 0, 0], one),
        lambda: cells_loss(cells([[0.3]], (0, 0, 9, 9)), cells([[0.6]], (0, 0, 9, 8)), COUNTED),
    ]
    expected = [call().item() for call in calls]
    monkeypatch.setattr(soft_losses, "process_count", lambda: 2)
    monkeypatch.setattr(soft_losses, "mean_over_processes", lambda values: values / 2)
    assert [call().item() / 2 for call in calls] == pytest.approx(expected)
