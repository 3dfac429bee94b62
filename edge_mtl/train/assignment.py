"""Which cells of the detection head answer for which box.

FCOS (Tian et al., 2019, arXiv:1904.01355, section 3.2, with the centre sampling of its journal
version): a cell answers for a box when its centre lies in the box, within `CENTRE_RADIUS` cells of
the box's centre, and the box's reach from there fits the level; of several boxes for the smallest.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

CENTRE_RADIUS = 1.5
_REACH_IN_CELLS = 8.0  # a level answers for sides up to so many of its cells away


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


def assign(centres: Tensor, strides: Tensor, boxes: Tensor) -> Tensor:
    """The index of the box that each cell answers for, (A,) int64, -1 for background.

    centres, strides: from `cell_centres`. boxes: (M, 4), x1 y1 x2 y2 in pixels.
    """
    if len(boxes) == 0:
        return torch.full_like(strides, -1, dtype=torch.long)
    sides = distances(centres[:, None], boxes[None])
    reach = sides.amax(-1)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    off_centre = (centres[:, None] - middles[None]).abs().amax(-1)
    finest, coarsest = strides.min(), strides.max()
    lower = torch.where(strides == finest, 0.0, strides * _REACH_IN_CELLS / 2)
    upper = torch.where(strides == coarsest, torch.inf, strides * _REACH_IN_CELLS)
    fits = (
        (sides.amin(-1) > 0)
        & (off_centre < CENTRE_RADIUS * strides[:, None])
        & (reach > lower[:, None])
        & (reach <= upper[:, None])
    )
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    cost = torch.where(fits, areas[None], torch.inf)
    smallest, box = cost.min(-1)
    return torch.where(smallest.isfinite(), box, -1)


def distances(centres: Tensor, boxes: Tensor) -> Tensor:
    """How far left, top, right and bottom sides (..., 4) are from centres (..., 2); below zero
    outside the box."""
    return torch.cat([centres - boxes[..., :2], boxes[..., 2:] - centres], -1)
