from __future__ import annotations

import torch
from torch import Tensor

from edge_mtl.train.assignment import assign, cell_centres, distances


def grid() -> tuple[Tensor, Tensor]:
    """Levels 8 and 16 of a 32x16 picture: 2x4 cells, then 1x2."""
    return cell_centres([(2, 4), (1, 2)], (8, 16), torch.device("cpu"))


def test_cells_lie_where_the_head_kernel_puts_them() -> None:
    centres, strides = grid()
    assert centres.tolist() == [
        *([[4, 4], [12, 4], [20, 4], [28, 4]]),
        *([[4, 12], [12, 12], [20, 12], [28, 12]]),
        *([[8, 8], [24, 8]]),
    ]
    assert strides.tolist() == [8] * 8 + [16] * 2


def test_distances_are_left_top_right_bottom() -> None:
    sides = distances(torch.tensor([[10.0, 10.0]]), torch.tensor([[4.0, 7.0, 15.0, 30.0]]))
    assert sides.tolist() == [[6, 3, 5, 20]]
    assert distances(torch.tensor([[0.0, 8.0]]), torch.tensor([[4.0, 7, 15, 30]]))[0, 0] < 0


def test_a_small_box_is_answered_for_by_the_cells_in_it_on_the_finest_level() -> None:
    centres, strides = grid()
    # Holds the centres (12, 4), (12, 12) of the first level and (8, 8) of the second.
    answers = assign(centres, strides, torch.tensor([[7.0, 1.0, 17.0, 15.0]]))
    assert answers.tolist() == [-1, 0, -1, -1, -1, 0, -1, -1, -1, -1]


def test_a_box_beyond_the_reach_of_a_level_goes_to_the_next() -> None:
    centres, strides = cell_centres([(32, 32), (16, 16)], (8, 16), torch.device("cpu"))
    reach = torch.tensor([[20.0, 20.0, 236.0, 236.0]])  # 108 px to each side from its centre
    answers = assign(centres, strides, reach)
    chosen = answers >= 0
    assert strides[chosen].tolist() == [16.0] * int(chosen.sum())
    # Its centre is the corner of four cells; those within 1.5 cells of it answer.
    assert chosen.sum() == 4
    assert centres[chosen].tolist() == [[120, 120], [136, 120], [120, 136], [136, 136]]


def test_cells_far_from_the_centre_do_not_answer() -> None:
    centres, strides = cell_centres([(8, 8)], (8,), torch.device("cpu"))
    answers = assign(centres, strides, torch.tensor([[0.0, 0.0, 64.0, 64.0]]))
    answering = centres[answers >= 0]
    assert (answering - 32).abs().max() == 4.0  # 12 is 1.5 cells: no longer inside
    assert len(answering) == 4


def test_of_two_boxes_the_smaller_has_the_cell() -> None:
    centres, strides = cell_centres([(4, 4)], (8,), torch.device("cpu"))
    boxes = torch.tensor([[0.0, 0.0, 32.0, 32.0], [9.0, 9.0, 15.0, 15.0]])
    answers = assign(centres, strides, boxes)
    middle = (centres == 12).all(1)
    assert answers[middle].tolist() == [1]
    assert (answers == 0).sum() == 3  # the large box keeps the other cells around its centre


def test_no_box_and_a_box_without_a_cell() -> None:
    centres, strides = grid()
    assert (assign(centres, strides, torch.zeros(0, 4)) == -1).all()
    between = torch.tensor([[5.0, 5.0, 7.0, 7.0]])  # no cell has its centre there
    assert (assign(centres, strides, between) == -1).all()
