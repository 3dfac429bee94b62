"""From what a teacher found to labels: only what it is sure enough of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.clip import boxes_in_image
from edge_mtl.data.sample import IGNORE, Boxes
from edge_mtl.errors import UsageError
from edge_mtl.labelling.teacher import FoundAttribute, FoundBoxes, FoundMask
from edge_mtl.tasks import KEYPOINTS

_VISIBLE = 2.0  # COCO's visibility of a keypoint that can be seen


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure a teacher has to be for a label, each from 0 to 1.

    pixel: the probability of the class; pixels below it become `IGNORE`. Confidence masking as in
        FixMatch (Sohn et al., 2020, arXiv:2001.07685), by pixel. On 25 frames of CamVid's val the
        first driving-s was right in 92.8 % of all pixels, at 0.9 and above in 99.2 % of the 76 %
        that are left, but then signs and cyclists had lost three quarters of their pixels and
        poles all; at 0.7 it was right in 97.0 % of 89 %.
    box: the score from which a box is a label. doubtful_box: from here up to there it becomes an
        area of `Boxes.ignored`, where a student is told neither that something is there nor that
        nothing is; below, it is background.
    keypoint: from here on a keypoint is labelled as visible, below it is not labelled.
    attribute: the score of the value that holds; where several may, a value is also decided at
        `1 - attribute` and below, and the label is made only if all of them are.
    """

    pixel: float = 0.9
    box: float = 0.5
    doubtful_box: float = 0.2
    keypoint: float = 0.3
    attribute: float = 0.9

    def __post_init__(self) -> None:
        if self.doubtful_box > self.box:
            raise UsageError(
                f"expected boxes to be doubtful below the score that makes them labels, found "
                f"{self.doubtful_box:g} above {self.box:g}; lower the first or raise the second"
            )


def mask_label(found: FoundMask, confidence: Confidence) -> NDArray[np.uint8]:
    """(H, W) uint8: the class where the teacher is sure, `IGNORE` elsewhere."""
    sure = found.confidence >= confidence.pixel
    return np.where(sure, found.labels, np.uint8(IGNORE))


def box_labels(found: FoundBoxes, size: tuple[int, int], confidence: Confidence) -> Boxes:
    """The sure boxes, cut at the edges of the picture of `size` (width, height), and the areas of
    the doubtful ones."""
    sure = found.scores >= confidence.box
    doubtful = ~sure & (found.scores >= confidence.doubtful_box)
    return boxes_in_image(
        found.corners[sure],
        found.class_ids[sure],
        size,
        None if found.points is None else keypoint_labels(found.points[sure], size, confidence),
        found.corners[doubtful],
    )


def keypoint_labels(
    points: NDArray[np.float32], size: tuple[int, int], confidence: Confidence
) -> NDArray[np.float32]:
    """(N, 17, 3) with COCO's visibility in place of scores; zeros where the teacher is not sure, or
    where the point is outside the picture of `size` (width, height)."""
    inside = ((points[:, :, :2] >= 0) & (points[:, :, :2] < size)).all(2)
    sure = inside & (points[:, :, 2] >= confidence.keypoint)
    labels = np.zeros((len(points), len(KEYPOINTS), 3), np.float32)
    labels[sure, :2] = points[sure, :2]
    labels[sure, 2] = _VISIBLE
    return labels


def attribute_label(
    found: FoundAttribute, values: Sequence[str], confidence: Confidence
) -> str | tuple[str, ...] | None:
    """The value, or all that hold where several may; None where the teacher is not sure."""
    holds = found.scores >= confidence.attribute
    if not found.several:
        best = int(found.scores.argmax())
        return values[best] if holds[best] else None
    if not (holds | (found.scores <= 1.0 - confidence.attribute)).all():
        return None
    return tuple(value for value, held in zip(values, holds, strict=True) if held)
