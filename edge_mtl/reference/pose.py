"""The keypoints of the boxes that were kept, from the cells that found them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference.detect import Cells
from edge_mtl.reference.raw_tensor import dequantise, level_names
from edge_mtl.reference.scores import sigmoid
from edge_mtl.scene import Detections, Poses
from edge_mtl.tasks import PoseTask
from edge_mtl.tensor_spec import TensorSpec


def find_poses(
    task: PoseTask,
    tensors: Mapping[str, TensorSpec],
    raw: Mapping[str, NDArray[Any]],
    placement: Placement,
    detections: Detections,
    cells: Cells,
) -> Poses:
    """The keypoints of those boxes whose class is in `task.classes`, in pixels of the frame.

    detections, cells: what `detect` returned for the task that `task.detection` names. Points are
    not clipped to the frame. One that is not finite is nowhere: at 0, 0 with score 0.
    """
    class_ids = [detections.classes.index(name) for name in task.classes]
    rows = np.flatnonzero(np.isin(detections.class_ids, class_ids))
    offsets = np.empty((2 * len(task.keypoints), len(rows)), np.float32)
    visible = np.empty((len(task.keypoints), len(rows)), np.float32)
    strides, cell_rows, cell_columns = (each[rows] for each in cells)
    for stride in task.strides:
        of_level = strides == stride
        y, x = cell_rows[of_level], cell_columns[of_level]
        for name, values in zip(level_names(task, stride), (offsets, visible), strict=True):
            values[:, of_level] = dequantise(tensors[name], raw[name][0][:, y, x])

    half = np.float32(0.5)
    sizes = strides.astype(np.float32)
    per_pixel_x, per_pixel_y = (np.float32(ratio) for ratio in placement.frame_per_pixel)
    centre_x = (cell_columns.astype(np.float32) + half) * sizes
    centre_y = (cell_rows.astype(np.float32) + half) * sizes
    with np.errstate(over="ignore", invalid="ignore"):
        x = (centre_x + offsets[0::2] * sizes - np.float32(placement.x)) * per_pixel_x
        y = (centre_y + offsets[1::2] * sizes - np.float32(placement.y)) * per_pixel_y
    points, scores = np.stack([x, y], axis=-1), sigmoid(visible)
    nowhere = ~np.isfinite(points).all(-1)
    points[nowhere] = scores[nowhere] = 0
    return Poses(
        task.keypoints,
        rows.astype(np.int32),
        np.ascontiguousarray(points.swapaxes(0, 1)),
        np.ascontiguousarray(scores.T),
    )
