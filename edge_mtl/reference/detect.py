"""Raw scores and distances to boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference.raw_tensor import dequantise, level_names
from edge_mtl.reference.scores import bin_weights, bounded_logits, logit, sigmoid
from edge_mtl.scene import Detections
from edge_mtl.tasks import BoxTask, DetectionTask
from edge_mtl.tensor_spec import TensorSpec

MIN_CANDIDATES = 1000
"""Non-maximum suppression looks at this many best cells, or at `max_boxes` if that is more."""


class Cells(NamedTuple):
    """N cells of the levels of a task: the stride of the level, the row and the column."""

    strides: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


def detect(
    task: DetectionTask,
    tensors: Mapping[str, TensorSpec],
    raw: Mapping[str, NDArray[Any]],
    placement: Placement,
) -> tuple[Detections, Cells]:
    """The boxes of one detection task, in pixels of the frame, best score first; and their cells.

    A cell is a candidate if its best class has a score above `task.score_threshold`; they are
    ranked by logit, and equal ones by level and cell (see `keep_best`).
    """
    levels = [_decode_level(task, stride, tensors, raw, placement) for stride in task.strides]
    cells, logits, class_ids, boxes = (
        np.concatenate(parts, axis=-1) for parts in zip(*levels, strict=True)
    )
    kept, boxes = keep_best(
        task, logits, logit(task.score_threshold), class_ids, boxes.T, placement
    )
    found = Detections(
        task.classes, boxes[kept], sigmoid(logits[kept]), class_ids[kept].astype(np.int32)
    )
    return found, Cells(*cells[:, kept])


def max_candidates(task: BoxTask) -> int:
    """How many of a task's candidates, the best, are looked at."""
    return max(MIN_CANDIDATES, task.max_boxes)


def keep_best(
    task: BoxTask,
    ranks: NDArray[np.float32],
    above: float,
    class_ids: NDArray[np.int64],
    boxes: NDArray[np.float32],
    placement: Placement,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which of N candidates are kept, best first, and the boxes (N, 4) clipped to the frame.

    Candidates with a rank above `above` are ordered by it, equal ones by their index; the best of
    them (`MIN_CANDIDATES`) are dropped if their box is not finite or empty in the frame; then one
    is suppressed by a better one of its own class with an IoU above `task.iou_threshold`.
    """
    order = np.argsort(-ranks, kind="stable")
    order = order[ranks[order] > above]
    order = order[: max_candidates(task)]
    finite = np.isfinite(boxes[order]).all(1)
    width, height = placement.frame_size
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    solid = (boxes[order, 2] > boxes[order, 0]) & (boxes[order, 3] > boxes[order, 1])
    order = order[finite & solid]
    kept = _suppress(boxes[order], class_ids[order], task.iou_threshold, task.max_boxes)
    return order[kept], boxes


def _decode_level(
    task: DetectionTask,
    stride: int,
    tensors: Mapping[str, TensorSpec],
    raw: Mapping[str, NDArray[Any]],
    placement: Placement,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Every cell's stride, row and column (3, N), best logit (N,), its class (N,), and its box
    (4, N) in pixels of the frame."""
    scores_name, boxes_name = level_names(task, stride)
    scores = dequantise(tensors[scores_name], raw[scores_name][0])
    scores = np.where(np.isnan(scores), np.float32(-np.inf), scores)
    left, top, right, bottom = distances(task, dequantise(tensors[boxes_name], raw[boxes_name][0]))

    half = np.float32(0.5)
    cells_y, cells_x = scores.shape[1:]
    centre_x = ((np.arange(cells_x, dtype=np.float32) + half) * np.float32(stride))[None, :]
    centre_y = ((np.arange(cells_y, dtype=np.float32) + half) * np.float32(stride))[:, None]
    per_pixel_x, per_pixel_y = (np.float32(ratio) for ratio in placement.frame_per_pixel)
    x, y = np.float32(placement.x), np.float32(placement.y)
    with np.errstate(over="ignore", invalid="ignore"):
        reach = [np.maximum(side, 0) * np.float32(stride) for side in (left, top, right, bottom)]
        sides = [
            (centre_x - reach[0] - x) * per_pixel_x,
            (centre_y - reach[1] - y) * per_pixel_y,
            (centre_x + reach[2] - x) * per_pixel_x,
            (centre_y + reach[3] - y) * per_pixel_y,
        ]
    rows, columns = np.indices(scores.shape[1:])
    cells = np.stack([np.full_like(rows, stride), rows, columns]).reshape(3, -1)
    boxes = np.stack(sides).reshape(4, -1)
    return cells, scores.max(0).ravel(), scores.argmax(0).ravel(), boxes


def distances(task: DetectionTask, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(4, H, W) distances left, top, right, bottom from the raw values (C, H, W) of a level."""
    if task.bins is None:
        return values
    logits = bounded_logits(values).reshape(4, task.bins, *values.shape[1:])
    weights = bin_weights(logits - logits.max(1, keepdims=True))
    whole = moment = np.zeros_like(weights[:, 0])
    # In this order: sums of floats depend on it. The moment has each weight i times.
    for i in reversed(range(task.bins)):
        moment = moment + whole
        whole = whole + weights[:, i]
    return np.asarray(moment / whole)


def _suppress(
    boxes: NDArray[np.float32], class_ids: NDArray[np.int64], iou_threshold: float, max_boxes: int
) -> list[int]:
    """Greedy non-maximum suppression within each class; boxes come best first."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    threshold = np.float32(iou_threshold)
    kept: list[int] = []
    for i in range(len(boxes)):
        if len(kept) == max_boxes:
            break
        rivals = [k for k in kept if class_ids[k] == class_ids[i]]
        corner = np.maximum(boxes[rivals, :2], boxes[i, :2])
        opposite = np.minimum(boxes[rivals, 2:], boxes[i, 2:])
        overlap = np.maximum(opposite - corner, 0).prod(1)
        union = area[rivals] + area[i] - overlap
        if not (overlap > threshold * union).any():
            kept.append(i)
    return kept
