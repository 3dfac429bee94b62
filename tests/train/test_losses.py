from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from edge_mtl.data.sample import IGNORE
from edge_mtl.spec import DetectionTask, ModelSpec
from edge_mtl.train.batch import Batch
from edge_mtl.train.losses import (
    Losses,
    class_weights,
    detection_loss,
    paired_iou,
    quality_focal,
    segmentation_loss,
)

TASK = DetectionTask(classes=("sign", "car"), strides=(8,))


def batch_of(boxes: list[tuple[Tensor, Tensor] | None], masks: dict[str, Tensor]) -> Batch:
    n = len(boxes)
    return Batch(torch.zeros(n, 3, 16, 32), masks, boxes, [f"sample {i}" for i in range(n)])


def one_box(x1: float, y1: float, x2: float, y2: float, class_id: int) -> tuple[Tensor, Tensor]:
    return torch.tensor([[x1, y1, x2, y2]]), torch.tensor([class_id])


def raw_outputs(n: int, scores: float = 0.0) -> dict[str, Tensor]:
    """Level 8 of a 32x16 picture, all distances 1 cell."""
    return {
        "detection_scores_8": torch.full((n, 2, 2, 4), scores, requires_grad=True),
        "detection_boxes_8": torch.ones(n, 4, 2, 4, requires_grad=True),
    }


@pytest.mark.parametrize(
    ("left", "right", "iou", "giou"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0, 1.0),
        ((0, 0, 2, 2), (1, 0, 3, 2), 2 / 6, 2 / 6),  # the hull is the union
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7, 1 / 7 - 2 / 9),
        ((0, 0, 1, 1), (3, 0, 4, 1), 0.0, -0.5),  # apart: hull 4, union 2
        ((0, 0, 4, 4), (1, 1, 2, 3), 2 / 16, 2 / 16),
    ],
)
def test_iou_and_generalised_iou(
    left: tuple[float, ...], right: tuple[float, ...], iou: float, giou: float
) -> None:
    found = paired_iou(torch.tensor([left]).float(), torch.tensor([right]).float())
    assert [float(each) for each in found] == pytest.approx([iou, giou], abs=1e-6)


def test_boxes_without_area_give_finite_gradients() -> None:
    left = torch.zeros(1, 4, requires_grad=True)
    iou, giou = paired_iou(left, torch.zeros(1, 4))
    (iou + giou).sum().backward()
    assert left.grad is not None
    assert left.grad.isfinite().all()


def test_quality_focal_is_zero_where_the_score_is_the_quality() -> None:
    quality = torch.tensor([0.0, 0.3, 0.9])
    logits = torch.logit(quality.clamp_min(1e-9))
    torch.testing.assert_close(quality_focal(logits, quality), torch.zeros(3), rtol=0, atol=1e-6)


def test_quality_focal_is_cross_entropy_times_the_squared_error() -> None:
    found = quality_focal(torch.tensor([0.0]), torch.tensor([1.0]))
    assert float(found) == pytest.approx(0.25 * math.log(2))


def test_class_weights_are_enets() -> None:
    weights = class_weights(np.array([1.0, 0.0]))
    expected = np.array([1 / math.log(2.1), 1 / math.log(1.1)])
    assert weights.tolist() == pytest.approx((expected / expected.mean()).tolist(), rel=1e-6)
    assert weights.dtype == torch.float32
    assert float(weights[1] / weights[0]) < 8


def test_segmentation_is_the_weighted_cross_entropy_of_labelled_pixels() -> None:
    logits = torch.tensor([2.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2)
    mask = torch.full((1, 8, 8), IGNORE)
    mask[0, :2], mask[0, 2:4] = 0, 1
    weights = torch.tensor([0.5, 1.5])
    right, wrong = math.log1p(math.exp(-2)), math.log1p(math.exp(2))
    loss = segmentation_loss(logits, mask, weights)
    assert float(loss) == pytest.approx((0.5 * right + 1.5 * wrong) / 2, rel=1e-5)


def test_samples_without_a_mask_change_nothing() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    mask = torch.randint(0, 3, (2, 16, 16))
    mask[1] = IGNORE
    loss = segmentation_loss(logits, mask, torch.ones(3))
    alone = segmentation_loss(logits[:1], mask[:1], torch.ones(3))
    assert float(loss.detach()) == pytest.approx(float(alone.detach()), rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().max() > 0
    assert logits.grad[1].abs().max() == 0


def test_a_perfect_detection_has_next_to_no_loss() -> None:
    # The cell with centre (12, 4) answers for the box of one cell to each side, twice as wide.
    batch = batch_of([one_box(4, 0, 20, 8, 1)], {})
    raw = {
        "detection_scores_8": torch.full((1, 2, 2, 4), -30.0),
        "detection_boxes_8": torch.zeros(1, 4, 2, 4),
    }
    raw["detection_scores_8"][0, 1, 0, 1] = 30.0
    raw["detection_boxes_8"][0, :, 0, 1] = torch.tensor([1.0, 0.5, 1.0, 0.5])
    assert float(detection_loss(TASK, raw, batch)) == pytest.approx(0.0, abs=1e-5)
    raw["detection_scores_8"][0, 1, 0, 1] = -30.0  # missed
    assert float(detection_loss(TASK, raw, batch)) == pytest.approx(30.0, rel=1e-3)


def test_the_box_loss_is_two_minus_two_giou() -> None:
    batch = batch_of([one_box(4, 0, 20, 8, 1)], {})
    raw = {
        "detection_scores_8": torch.full((1, 2, 2, 4), -30.0),
        "detection_boxes_8": torch.zeros(1, 4, 2, 4),
    }
    # Left half only: IoU and generalised IoU are 0.5, and that is the score that is wanted.
    raw["detection_boxes_8"][0, :, 0, 1] = torch.tensor([1.0, 0.5, 0.0, 0.5])
    raw["detection_scores_8"][0, 1, 0, 1] = 0.0
    assert float(detection_loss(TASK, raw, batch)) == pytest.approx(2 * (1 - 0.5), rel=1e-4)


def test_samples_without_boxes_give_no_gradient_but_empty_ones_do() -> None:
    raw = raw_outputs(3)
    nothing = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)
    detection_loss(TASK, raw, batch_of([one_box(4, 0, 20, 8, 0), None, nothing], {})).backward()
    gradient = raw["detection_scores_8"].grad
    assert gradient is not None
    assert [float(each.abs().max()) > 0 for each in gradient] == [True, False, True]
    assert raw["detection_boxes_8"].grad is not None
    assert raw["detection_boxes_8"].grad[2].abs().max() == 0  # no box, nothing to fit


def test_a_batch_without_labels_has_no_loss_and_no_gradient(spec: ModelSpec) -> None:
    losses = Losses(spec, {"segmentation": np.full(3, 1 / 3)}, torch.device("cpu"))
    raw = {
        tensor.name: torch.zeros(2, *tensor.shape[1:], requires_grad=True)
        for tensor in spec.output_tensors
    }
    masks = {"segmentation": torch.full((2, 64, 64), IGNORE)}
    found = losses(raw, batch_of([None, None], masks))
    assert {name: float(loss) for name, loss in found.items()} == {
        "segmentation": 0.0,
        "detection": 0.0,
    }
    assert not any(loss.requires_grad for loss in found.values())
