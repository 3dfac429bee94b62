"""Which cells of the detection head answer for which box, and with what score.

Task alignment (Feng et al., TOOD, 2021, arXiv:2108.07755, section 3.2): of the cells within a box
those answer for it whose class score and box are best already, so that the best score and the best
box come from the same cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from edge_mtl.train.losses.boxes import paired_iou

_CELLS_PER_BOX = 13  # the paper's m
_SCORE_POWER, _IOU_POWER = 1.0, 6.0  # its alpha and beta


@dataclass(frozen=True, slots=True)
class Assignment:
    """What P of the A cells answer for.

    cells: (P,) int64. boxes: (P,) int64, the box of each.
    scores: (P,) float32, the class score that each should have; a box's best cell should have the
        IoU of its best cell.
    """

    cells: Tensor
    boxes: Tensor
    scores: Tensor


def cell_centres(
    shapes: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """The centres (A, 2), x y in pixels, and the strides (A,) of all cells, level by level.

    shapes: (rows, columns) of each level.
    """
    centres, sizes = [], []
    for (rows, columns), stride in zip(shapes, strides, strict=True):
        y = (torch.arange(rows, device=device) + 0.5) * stride
        x = (torch.arange(columns, device=device) + 0.5) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack([grid_x, grid_y], -1).reshape(-1, 2))
        sizes.append(torch.full((rows * columns,), float(stride), device=device))
    return torch.cat(centres), torch.cat(sizes)


@torch.no_grad()
def assign(
    centres: Tensor,
    strides: Tensor,
    scores: Tensor,
    predicted: Tensor,
    boxes: Tensor,
    class_ids: Tensor,
) -> Assignment:
    """Choose the cells for the boxes of one picture.

    A cell may answer for a box that its centre lies in; a box smaller than the finest cells counts
    as large as one, so that none is lost. A cell chosen by several boxes answers for the one that
    its own box fits best.

    centres, strides: from `cell_centres`.
    scores: (A, C) in [0, 1], and predicted: (A, 4), x1 y1 x2 y2 in pixels, as the network has them.
    boxes: (M, 4); class_ids: (M,).
    """
    if len(boxes) == 0:
        nothing = torch.zeros(0, dtype=torch.long, device=boxes.device)
        return Assignment(nothing, nothing, scores.new_zeros(0))
    finest = (strides == strides.min())[:, None]
    inside = torch.where(
        finest,
        is_within(centres, _enlarged(boxes, float(strides.min()))),
        is_within(centres, boxes),
    )
    iou = paired_iou(predicted[:, None], boxes[None])[0].clamp_min(0.0)  # (A, M)
    aligned = scores[:, class_ids].pow(_SCORE_POWER) * iou.pow(_IOU_POWER)
    # Cells that hardly overlap yet are ranked by their distance from the box's middle.
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    off_centre = (centres[:, None] - middles[None]).square().sum(-1)
    rank = torch.where(inside, aligned - 1e-12 * off_centre, -torch.inf)
    count = min(_CELLS_PER_BOX, len(centres))
    best = rank.topk(count, dim=0).indices
    chosen = torch.zeros_like(inside).scatter_(0, best, True) & inside
    # One box a cell: the one that overlaps most with what the cell predicts.
    owner = torch.where(chosen, iou, -1.0).argmax(1)
    cells = chosen.any(1).nonzero()[:, 0]
    owners = owner[cells]
    kept = torch.zeros_like(chosen)
    kept[cells, owners] = True
    aligned = aligned * kept
    top_iou = (iou * kept).amax(0)
    scale = top_iou / aligned.amax(0).clamp_min(torch.finfo(aligned.dtype).tiny)
    return Assignment(cells, owners, (aligned * scale)[cells, owners].clamp(0.0, 1.0))


def is_within(points: Tensor, boxes: Tensor) -> Tensor:
    """(A, M) bool: whether points (A, 2) lie inside boxes (M, 4)."""
    return ((points[:, None] > boxes[None, :, :2]) & (points[:, None] < boxes[None, :, 2:])).all(-1)


def _enlarged(boxes: Tensor, smallest: float) -> Tensor:
    """The same boxes, none with a side shorter than `smallest`."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    # A hair more than a cell, so that a box centred on a corner of cells still holds a centre.
    half = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp_min(smallest * 0.505)
    return torch.cat([middles - half, middles + half], 1)
