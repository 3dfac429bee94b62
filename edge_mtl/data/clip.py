"""Labelled boxes of any file, cut at the edges of their image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_mtl.data.sample import Boxes
from edge_mtl.tasks import KEYPOINTS

MIN_SIDE_PX = 1.0
"""A box needs at least this width and height within its image."""


def boxes_in_image(
    corners: ArrayLike,
    class_ids: ArrayLike,
    size: tuple[int, int],
    keypoints: ArrayLike | None = None,
    ignored: ArrayLike = (),
) -> Boxes:
    """The boxes of an image of `size` (width, height), as much of each as is in it.

    corners: (N, 4), x1 y1 x2 y2 in pixels. Labellers draw beyond the edge of the picture, and
        files hold boxes without width or with their corners swapped: what has less than
        `MIN_SIDE_PX` of either side left in the image is dropped.
    class_ids: (N,).
    keypoints: (N, 17, 3); those outside the image become unlabelled.
    ignored: (M, 4), cut and dropped like `corners`.
    """
    boxes, kept = _clipped(corners, size)
    areas, areas_kept = _clipped(ignored, size)
    return Boxes(
        corners=boxes[kept],
        class_ids=np.asarray(class_ids, np.int64).reshape(-1)[kept],
        keypoints=None if keypoints is None else _labelled(keypoints, size)[kept],
        ignored=areas[areas_kept],
    )


def _clipped(
    corners: ArrayLike, size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    inside = np.clip(np.asarray(corners, np.float64).reshape(-1, 4), 0.0, [*size, *size])
    sides = inside[:, 2:] - inside[:, :2]
    return inside.astype(np.float32), sides.min(axis=1, initial=np.inf) >= MIN_SIDE_PX


def _labelled(keypoints: ArrayLike, size: tuple[int, int]) -> NDArray[np.float32]:
    points = np.asarray(keypoints, np.float32).reshape(-1, len(KEYPOINTS), 3)
    inside = ((points[:, :, :2] >= 0) & (points[:, :, :2] < size)).all(axis=2)
    return np.where((inside & (points[:, :, 2] > 0))[:, :, None], points, np.float32(0.0))
