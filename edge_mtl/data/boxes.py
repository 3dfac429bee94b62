"""Sets of boxes, moved and joined."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.sample import Boxes
from edge_mtl.tasks import KEYPOINTS


def no_boxes() -> Boxes:
    return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))


def moved(boxes: Boxes, by: tuple[int, int]) -> Boxes:
    """Boxes, their keypoints and their ignored areas, moved by x, y pixels."""
    keypoints = boxes.keypoints
    if keypoints is not None:
        labelled = keypoints[:, :, 2:] > 0  # what is not labelled stays all zero
        shift = np.array([*by, 0], np.float32)
        keypoints = keypoints + np.where(labelled, shift, np.float32(0.0))
    corner_shift = np.array([*by, *by], np.float32)
    return dataclasses.replace(
        boxes,
        corners=boxes.corners + corner_shift,
        keypoints=keypoints,
        ignored=boxes.ignored + corner_shift,
    )


def taken(boxes: Boxes, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Boxes:
    """Some of the boxes, with all else that is said of the picture."""
    return dataclasses.replace(
        boxes,
        corners=boxes.corners[rows],
        class_ids=boxes.class_ids[rows],
        keypoints=None if boxes.keypoints is None else boxes.keypoints[rows],
    )


def joined_boxes(boxes: Boxes, others: Boxes) -> Boxes:
    """The boxes of two parts of one picture. A class was searched for where it was in both."""
    keypoints = None
    if boxes.keypoints is not None or others.keypoints is not None:
        keypoints = np.concatenate([_keypoints(boxes), _keypoints(others)])
    searched = boxes.searched
    if searched is None:
        searched = others.searched
    elif others.searched is not None:
        searched = searched & others.searched
    return Boxes(
        corners=np.concatenate([boxes.corners, others.corners]),
        class_ids=np.concatenate([boxes.class_ids, others.class_ids]),
        keypoints=keypoints,
        ignored=np.concatenate([boxes.ignored, others.ignored]),
        searched=searched,
    )


def _keypoints(boxes: Boxes) -> NDArray[np.float32]:
    if boxes.keypoints is not None:
        return boxes.keypoints
    return np.zeros((len(boxes.class_ids), len(KEYPOINTS), 3), np.float32)
