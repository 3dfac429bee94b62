"""Boxes that a network has decoded itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference.detect import keep_best
from edge_mtl.reference.raw_tensor import dequantise
from edge_mtl.scene import Detections
from edge_mtl.tasks import DecodedDetectionTask
from edge_mtl.tensor_spec import TensorSpec


def find_decoded(
    task: DecodedDetectionTask,
    tensor: TensorSpec,
    raw: NDArray[Any],
    placement: Placement,
) -> Detections:
    """The boxes of one task in pixels of the frame, best score first.

    raw: (1, C, N, 1) or (1, N, C, 1), as `task.layout` says. A candidate's class is the one with
    the highest score, its rank that score times its objectness (see `keep_best`). One whose
    objectness alone is not above the threshold is none, whatever its scores.
    """
    values = dequantise(tensor, raw[0, :, :, 0])
    if task.layout == "channels_last":
        values = values.T
    box, objectness, scores = np.split(values, [4, 4 + task.objectness])
    scores = np.where(np.isnan(scores), np.float32(-np.inf), scores)
    ranks = scores.max(0)
    above = np.float32(task.score_threshold)
    per_pixel = np.array(placement.frame_per_pixel * 2, np.float32)[:, None]
    start = np.array([placement.x, placement.y] * 2, np.float32)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        if task.objectness:
            found = objectness[0] > above
            ranks = np.where(found, ranks * objectness[0], np.float32(-np.inf))
        if task.box == "centre":
            half = box[2:] * np.float32(0.5)
            box = np.concatenate([box[:2] - half, box[:2] + half])
        boxes = ((box - start) * per_pixel).T
    class_ids = scores.argmax(0)
    kept, boxes = keep_best(task, ranks, float(above), class_ids, boxes, placement)
    return Detections(task.classes, boxes[kept], ranks[kept], class_ids[kept].astype(np.int32))
