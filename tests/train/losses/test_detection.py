from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from edge_mtl.tasks import DetectionTask
from edge_mtl.train.batch import Batch, BoxTargets
from edge_mtl.train.losses.detection import answers_of, detection_loss, quality_focal

TASK = DetectionTask(classes=("sign", "car"), strides=(8,))
Targets = Callable[..., BoxTargets]
MakeBatch = Callable[..., Batch]


def loss_of(raw: dict[str, Tensor], batch: Batch) -> Tensor:
    return detection_loss(answers_of(TASK, raw, batch), batch)


def raw_outputs(n: int, scores: float = 0.0) -> dict[str, Tensor]:
    """Level 8 of a 32x16 picture, all distances 1 cell."""
    return {
        "detection_scores_8": torch.full((n, 2, 2, 4), scores, requires_grad=True),
        "detection_boxes_8": torch.ones(n, 4, 2, 4, requires_grad=True),
    }


def test_quality_focal_is_zero_where_the_score_is_the_quality() -> None:
    quality = torch.tensor([0.0, 0.3, 0.9])
    logits = torch.logit(quality.clamp_min(1e-9))
    torch.testing.assert_close(quality_focal(logits, quality), torch.zeros(3), rtol=0, atol=1e-6)


def test_quality_focal_is_cross_entropy_times_the_squared_error() -> None:
    found = quality_focal(torch.tensor([0.0]), torch.tensor([1.0]))
    assert float(found) == pytest.approx(0.25 * math.log(2))


def test_a_perfect_detection_has_next_to_no_loss(targets: Targets, batch: MakeBatch) -> None:
    labels = batch(1, boxes=[targets((8, 0, 16, 8, 1))])
    raw = {
        "detection_scores_8": torch.full((1, 2, 2, 4), -30.0),
        "detection_boxes_8": torch.zeros(1, 4, 2, 4),
    }
    raw["detection_scores_8"][0, 1, 0, 1] = 30.0  # the cell with centre (12, 4)
    raw["detection_boxes_8"][0, :, 0, 1] = 0.5
    assert float(loss_of(raw, labels)) == pytest.approx(0.0, abs=1e-5)
    raw["detection_scores_8"][0, 1, 0, 1] = -30.0  # missed
    assert float(loss_of(raw, labels)) == pytest.approx(30.0, rel=1e-3)


def test_the_box_loss_is_two_minus_two_giou(targets: Targets, batch: MakeBatch) -> None:
    labels = batch(1, boxes=[targets((8, 0, 16, 8, 1))])
    raw = {
        "detection_scores_8": torch.full((1, 2, 2, 4), -30.0),
        "detection_boxes_8": torch.zeros(1, 4, 2, 4),
    }
    # Left half only: IoU and generalised IoU are 0.5, and that is the score that is wanted and
    # the weight of the box; what the losses are divided by is at least 1.
    raw["detection_boxes_8"][0, :, 0, 1] = torch.tensor([0.5, 0.5, 0.0, 0.5])
    raw["detection_scores_8"][0, 1, 0, 1] = 0.0
    assert float(loss_of(raw, labels)) == pytest.approx(0.5 * 2 * (1 - 0.5), rel=1e-4)


def test_samples_without_boxes_give_no_gradient_but_empty_ones_do(
    targets: Targets, batch: MakeBatch
) -> None:
    raw = raw_outputs(3)
    loss_of(raw, batch(3, boxes=[targets((4, 0, 20, 8, 0)), None, targets()])).backward()
    gradient = raw["detection_scores_8"].grad
    assert gradient is not None
    assert [float(each.abs().max()) > 0 for each in gradient] == [True, False, True]


def test_no_boxes_at_all_give_a_constant_zero(batch: MakeBatch) -> None:
    loss = loss_of(raw_outputs(2), batch(2))
    assert float(loss) == 0.0
    assert not loss.requires_grad


def test_a_class_that_nobody_searched_for_learns_only_where_it_was_found(
    targets: Targets, batch: MakeBatch
) -> None:
    raw = raw_outputs(1)
    searched = torch.tensor([True, False])
    loss_of(raw, batch(1, boxes=[targets((8, 0, 16, 8, 0), searched=searched)])).backward()
    gradient = raw["detection_scores_8"].grad
    assert gradient is not None
    assert gradient[0, 0].abs().min() > 0
    assert gradient[0, 1].abs().max() == 0


def test_ignored_areas_teach_nothing_but_the_boxes_in_them(
    targets: Targets, batch: MakeBatch
) -> None:
    raw = raw_outputs(1)
    left_half = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    loss_of(raw, batch(1, boxes=[targets((8, 0, 16, 8, 1), ignored=left_half)])).backward()
    gradient = raw["detection_scores_8"].grad
    assert gradient is not None
    taught = gradient[0].abs() > 0
    assert taught[:, :, 2:].all()
    assert taught[:, :, :2].nonzero().tolist() == [[1, 0, 1]]  # the box's own class and cell


def test_gradient_steps_find_the_box(targets: Targets, batch: MakeBatch) -> None:
    labels = batch(1, boxes=[targets((3, 1, 21, 15, 1))])
    scores = torch.full((1, 2, 2, 4), -4.0, requires_grad=True)
    boxes = torch.ones(1, 4, 2, 4, requires_grad=True)
    optimizer = torch.optim.Adam([scores, boxes], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss_of({"detection_scores_8": scores, "detection_boxes_8": boxes}, labels).backward()
        optimizer.step()
    best = scores[0, 1].flatten().argmax()
    row, column = divmod(int(best), 4)
    left, top, right, bottom = (8 * boxes[0, :, row, column]).tolist()
    x, y = 8 * column + 4, 8 * row + 4
    assert [x - left, y - top, x + right, y + bottom] == pytest.approx([3, 1, 21, 15], abs=0.7)
    assert float(scores[0, 1].detach().max().sigmoid()) > 0.8
    assert float(scores[0, 0].detach().max().sigmoid()) < 0.1


def test_bins_give_the_same_box_loss_and_their_own(targets: Targets, batch: MakeBatch) -> None:
    labels = batch(1, boxes=[targets((8, 0, 16, 8, 1))])
    task = DetectionTask(classes=("sign", "car"), strides=(8,), bins=4)
    raw = {
        "detection_scores_8": torch.full((1, 2, 2, 4), -30.0),
        "detection_boxes_8": torch.full((1, 16, 2, 4), -30.0),
    }
    raw["detection_scores_8"][0, 1, 0, 1] = 30.0  # the cell with centre (12, 4)
    sides = raw["detection_boxes_8"][0].view(4, 4, 2, 4)
    sides[:, 0] = 30.0  # of all cells: no box at all
    sides[:, :2, 0, 1] = 30.0  # of that one: 0 or 1, so 0.5 cells
    found = float(detection_loss(answers_of(task, raw, labels), labels))
    assert found == pytest.approx(0.25 * math.log(2), rel=1e-4)
