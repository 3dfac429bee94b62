from __future__ import annotations

import pytest
import torch
from torch import Tensor

from edge_mtl.train.losses.assignment import assign, cell_centres, is_within
from edge_mtl.train.losses.boxes import paired_iou

CPU = torch.device("cpu")


def grid() -> tuple[Tensor, Tensor]:
    """Levels 8 and 16 of a 32x16 picture: 2x4 cells, then 1x2."""
    return cell_centres([(2, 4), (1, 2)], (8, 16), CPU)


def around(centres: Tensor, sides: Tensor | float) -> Tensor:
    """Boxes that reach so far to each side of the cells' centres."""
    return torch.cat([centres - sides, centres + sides], 1)


def test_cells_lie_where_the_head_kernel_puts_them() -> None:
    centres, strides = grid()
    assert centres.tolist() == [
        *([[4, 4], [12, 4], [20, 4], [28, 4]]),
        *([[4, 12], [12, 12], [20, 12], [28, 12]]),
        *([[8, 8], [24, 8]]),
    ]
    assert strides.tolist() == [8] * 8 + [16] * 2


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


def test_points_on_the_edge_are_not_within() -> None:
    points = torch.tensor([[1.0, 1.0], [0.0, 1.0], [3.0, 1.0]])
    assert is_within(points, torch.tensor([[0.0, 0.0, 2.0, 2.0]])).tolist() == [
        [True],
        [False],
        [False],
    ]


def test_cells_inside_answer_and_the_best_of_them_gets_its_iou() -> None:
    centres, strides = grid()
    box = torch.tensor([[7.0, 1.0, 17.0, 15.0]])  # holds (12, 4), (12, 12) and coarse (8, 8)
    predicted = around(centres, 4.0)
    scores = torch.full((10, 2), 0.25)
    scores[1, 1] = 0.5
    found = assign(centres, strides, scores, predicted, box, torch.tensor([1]))
    assert found.cells.tolist() == [1, 5, 8]
    assert found.boxes.tolist() == [0, 0, 0]
    iou = paired_iou(predicted[found.cells], box)[0]
    # By hand: alignment is score * IoU^6, scaled so that the best cell's is the best IoU.
    aligned = torch.tensor([0.5, 0.25, 0.25]) * iou**6
    torch.testing.assert_close(found.scores, aligned * (iou.max() / aligned.max()))
    assert float(found.scores[0]) == pytest.approx(float(iou[0]))


def test_only_the_best_cells_answer_for_a_large_box() -> None:
    centres, strides = cell_centres([(8, 8)], (8,), CPU)
    box = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    scores = torch.linspace(0.1, 0.9, 64)[:, None]
    found = assign(centres, strides, scores, box.expand(64, 4), box, torch.tensor([0]))
    assert found.cells.tolist() == list(range(51, 64))  # 13, all boxes being perfect


def test_cells_without_overlap_are_taken_from_the_middle() -> None:
    centres, strides = cell_centres([(8, 8)], (8,), CPU)
    box = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    elsewhere = torch.tensor([[100.0, 100.0, 101.0, 101.0]]).expand(64, 4)
    found = assign(centres, strides, torch.full((64, 1), 0.5), elsewhere, box, torch.tensor([0]))
    assert (centres[found.cells] - 32).abs().amax() < 20
    assert found.scores.tolist() == [0.0] * 13


def test_a_cell_in_two_boxes_answers_for_the_one_that_it_predicts() -> None:
    centres, strides = cell_centres([(4, 4)], (8,), CPU)
    boxes = torch.tensor([[0.0, 0.0, 32.0, 32.0], [8.0, 8.0, 24.0, 24.0]])
    predicted = boxes[0].expand(16, 4).clone()
    middle = is_within(centres, boxes[1:])[:, 0]
    predicted[middle] = boxes[1]
    found = assign(
        centres, strides, torch.full((16, 1), 0.5), predicted, boxes, torch.tensor([0, 0])
    )
    owners = dict(zip(found.cells.tolist(), found.boxes.tolist(), strict=True))
    assert all(owners[cell] == 1 for cell in middle.nonzero()[:, 0].tolist())
    assert 0 in owners.values()
    assert torch.allclose(found.scores, torch.ones_like(found.scores))


@pytest.mark.parametrize("middle", [(6.0, 6.0), (16.0, 8.0), (15.9, 0.1)])
def test_a_box_between_centres_is_still_answered_for(middle: tuple[float, float]) -> None:
    centres, strides = grid()
    box = around(torch.tensor([middle]), 1.0)
    found = assign(
        centres, strides, torch.full((10, 1), 0.1), around(centres, 4.0), box, torch.tensor([0])
    )
    assert len(found.cells) > 0
    assert (strides[found.cells] == 8).all()


def test_no_box_no_answer() -> None:
    centres, strides = grid()
    found = assign(
        centres,
        strides,
        torch.zeros(10, 1),
        around(centres, 4.0),
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.long),
    )
    assert len(found.cells) == len(found.boxes) == len(found.scores) == 0
