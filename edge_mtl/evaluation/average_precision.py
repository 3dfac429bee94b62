"""COCO's interpolated precision, of boxes by IoU and of poses by OKS (faster-coco-eval)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECALLS = np.linspace(0.0, 1.0, 101)
"""The recalls at which COCO reads the precision."""


def interpolated_precisions(
    found: Sequence[dict[str, Any]],
    wanted: Sequence[dict[str, Any]],
    frames: int,
    classes: Sequence[str],
    sigmas: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Precision by class, overlap and recall; its mean over the recalls is the average precision.

    Args:
        found: results in COCO's format, without "id".
        wanted: annotations in COCO's format, without "id", and without "iscrowd" where that is 0.
            Frames count from 1 and categories are class ids plus 1.
        frames: how many frames there are.
        classes: the names of the classes.
        sigmas: COCO's constants of each keypoint where poses are compared, None for boxes.

    Returns:
        (classes, 10, 101): at overlaps 0.50:0.05:0.95 and at `RECALLS`, over objects of all sizes;
        0 where nothing was found or nothing is labelled.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    if not found or not wanted:
        return np.zeros((len(classes), 10, len(RECALLS)))
    labels = COCO(
        {
            "images": [{"id": i + 1} for i in range(frames)],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(classes)],
            "annotations": [
                {"iscrowd": 0, **record, "id": i + 1} for i, record in enumerate(wanted)
            ],
        }
    )
    results = labels.loadRes([dict(record) for record in found])
    if sigmas is None:
        measured = COCOeval_faster(labels, results, "bbox")
    else:
        measured = COCOeval_faster(labels, results, "keypoints", kpt_oks_sigmas=sigmas)
    # For poses the library would leave out classes without a label.
    measured.params.catIds = [i + 1 for i in range(len(classes))]
    measured.evaluate()
    measured.accumulate()
    # (overlap, recall, class, size, most results): all sizes, the most results of a frame
    precision = measured.eval["precision"][:, :, :, 0, -1]
    curves: NDArray[np.float64] = np.where(precision < 0, 0.0, precision).transpose(2, 0, 1)
    return curves
