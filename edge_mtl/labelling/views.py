"""One set of boxes from several looks at the same picture: mirrored, or at other scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.keypoints import MIRRORED
from edge_mtl.evaluation.matching import iou
from edge_mtl.labelling.teacher import FoundBoxes


def mirrored(found: FoundBoxes, width: int) -> FoundBoxes:
    """What was found in a picture `width` pixels wide, as if it had been mirrored."""
    corners = found.corners[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32)
    corners[:, [0, 2]] += width
    points = found.points
    if points is not None:
        points = points[:, MIRRORED].copy()
        points[:, :, 0] = width - points[:, :, 0]
    return FoundBoxes(corners, found.class_ids, found.scores, points)


def together(views: Sequence[FoundBoxes]) -> FoundBoxes:
    """All boxes of several, each as it is; all with keypoints or all without."""
    points = [view.points for view in views if view.points is not None]
    return FoundBoxes(
        np.concatenate([view.corners for view in views]),
        np.concatenate([view.class_ids for view in views]),
        np.concatenate([view.scores for view in views]),
        np.concatenate(points) if points else None,
    )


def merged(views: Sequence[FoundBoxes], overlap: float) -> FoundBoxes:
    """Each object once, best score first.

    An object is as sure as the views say on the average: the best score of each view, after its own
    non-maximum suppression, for a box of the same class with at least this `overlap` (IoU), and 0
    for a view that has none (as in Solovyev et al., 2019, arXiv:1910.13302; here the box and its
    keypoints are those of the best score). Of one view it is non-maximum suppression alone.
    """
    views = [_rows(view, _suppressed(view, overlap)) for view in views]
    every = together(views)
    view_of = np.repeat(np.arange(len(views)), [len(view.scores) for view in views])
    same = _same(every, overlap)
    kept = _suppressed(every, overlap)
    agreed = np.zeros((len(kept), len(views)), np.float32)
    for view in range(len(views)):
        in_view = view_of == view
        found = same[kept][:, in_view] * every.scores[in_view]
        agreed[:, view] = found.max(axis=1, initial=0.0)
    mean: NDArray[np.float32] = agreed.mean(1)
    order = np.argsort(-mean, kind="stable")
    return replace(_rows(every, kept[order]), scores=mean[order])


def _suppressed(found: FoundBoxes, overlap: float) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each class: the rows kept, best score first."""
    same = _same(found, overlap)
    kept: list[int] = []
    for row in np.argsort(-found.scores, kind="stable").tolist():
        if not same[row, kept].any():
            kept.append(row)
    return np.array(kept, np.int64)


def _same(found: FoundBoxes, overlap: float) -> NDArray[np.bool_]:
    """(N, N): whether two boxes may be of one object."""
    same_class = found.class_ids[:, None] == found.class_ids[None]
    result: NDArray[np.bool_] = same_class & (iou(found.corners, found.corners) >= overlap)
    return result


def _rows(found: FoundBoxes, rows: NDArray[np.int64]) -> FoundBoxes:
    points = None if found.points is None else found.points[rows]
    return FoundBoxes(found.corners[rows], found.class_ids[rows], found.scores[rows], points)
