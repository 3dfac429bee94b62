"""Which found objects are which labelled ones, and which count nowhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MATCH_IOU = 0.5
"""From this IoU on, a box is found."""

IGNORED_SHARE = 0.5
"""An unmatched box with at least this share of its area in an ignored area counts nowhere: COCO's
rule for crowds, at the overlap of `MATCH_IOU`."""


def match(overlaps: NDArray[np.float32], least: float) -> NDArray[np.int64]:
    """By row of (N, M) overlaps, best first: the free column that overlaps most; -1 below `least`.

    As COCO does, each column is taken once, and a row that comes later never changes what an
    earlier one took: the result for the rows above any score is the same with and without the rest.
    """
    taken = np.full(len(overlaps), -1, np.int64)
    if overlaps.shape[1] == 0:
        return taken
    free = overlaps.copy()
    for row in range(len(free)):
        column = int(free[row].argmax())
        if free[row, column] >= least:
            taken[row] = column
            free[:, column] = -1.0
    return taken


def iou(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4), x1 y1 x2 y2."""
    inner = _intersections(left, right)
    union = _areas(left)[:, None] + _areas(right)[None] - inner
    result: NDArray[np.float32] = inner / np.maximum(union, 1e-9)
    return result


def share_inside(boxes: NDArray[np.float32], areas: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,): of each box of (N, 4), the largest share of its area in one of the areas (M, 4)."""
    if len(areas) == 0:
        return np.zeros(len(boxes), np.float32)
    inner = _intersections(boxes, areas).max(1)
    result: NDArray[np.float32] = inner / np.maximum(_areas(boxes), 1e-9)
    return result


def _intersections(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    corner = np.maximum(left[:, None, :2], right[None, :, :2])
    opposite = np.minimum(left[:, None, 2:], right[None, :, 2:])
    result: NDArray[np.float32] = np.clip(opposite - corner, 0, None).prod(-1)
    return result


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return result
