"""Raw outputs to a scene with OpenCV and NumPy: resize and argmax, `NMSBoxesBatched`.

Boxes are decoded where the threshold leaves any. Labels come from the 8-bit values as floats, since
a scale changes no argmax. Resizing the 8-bit values themselves is faster, but rounds: more than one
pixel in a hundred then has another class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec
from rivals.cell_grid import CellGrid
from rivals.mask_window import MaskWindow
from rivals.scene_head import Raw, Tensors, scene_head


def open_head(
    spec: ModelSpec,
    tensors: Sequence[TensorSpec],
    placement: Placement,
    mask_size: tuple[int, int],
    way: str = "argmax",
) -> Callable[[Raw], Scene]:
    """mask_size: (width, height). way: how a mask is made, "argmax" or "running maximum"."""
    return scene_head(
        spec,
        tensors,
        placement,
        lambda task, tensor: _Segmentation(task, tensor, placement, mask_size, way),
        lambda task, poses, by_name: _Detection(task, poses, by_name, spec.input.size, placement),
        _Classes,
    )


class _Segmentation:
    def __init__(
        self,
        task: SegmentationTask,
        tensor: TensorSpec,
        placement: Placement,
        mask_size: tuple[int, int],
        way: str,
    ) -> None:
        self._task = task
        self._window = MaskWindow.of(placement, task.stride, mask_size)
        self._labels = _LABELS[way]
        self._zero = 0 if tensor.dtype == "float32" else tensor.zero_point

    def __call__(self, raw: Raw) -> Mask:
        logits = raw[self._task.name][0, :, self._window.rows].astype(np.float32, copy=False)
        if self._task.binary:
            resized = cv2.resize(logits[0], self._window.size)[self._window.inside]
            return Mask(self._task.classes, (resized > self._zero).view(np.uint8))
        return Mask(self._task.classes, self._labels(logits, self._window))


class _Detection:
    """Boxes, and the keypoints of those that have some."""

    def __init__(
        self,
        task: DetectionTask,
        poses: Sequence[PoseTask],
        tensors: Tensors,
        input_size: tuple[int, int],
        placement: Placement,
    ) -> None:
        self._task, self._tensors = task, tensors
        self._grid = CellGrid(task.strides, input_size)
        self._min_logit = reference.logit(task.score_threshold)
        self._bins = np.arange(task.bins or 1, dtype=np.float32)
        self._per_pixel = np.float32(placement.frame_per_pixel[0])
        self._corner = np.array([placement.x, placement.y], np.float32)
        self._limits = np.array(placement.frame_size * 2, np.float32)
        self._poses = {
            pose: np.array([task.classes.index(name) for name in pose.classes]) for pose in poses
        }

    def __call__(self, raw: Raw) -> tuple[Detections, dict[str, Poses]]:
        logits = self._scores(raw)
        best = logits.max(0)
        cells = np.flatnonzero(best > self._min_logit)
        class_ids = logits[:, cells].argmax(0).astype(np.int32)
        scores = _sigmoid(best[cells])
        boxes = self._decoded(raw, cells)
        kept = self._suppress(boxes, scores, class_ids)
        found = Detections(self._task.classes, boxes[kept], scores[kept], class_ids[kept])
        poses = {}
        for pose, with_keypoints in self._poses.items():
            rows = np.flatnonzero(np.isin(found.class_ids, with_keypoints)).astype(np.int32)
            poses[pose.name] = self._keypoints(raw, pose, rows, cells[kept[rows]])
        return found, poses

    def _suppress(
        self,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        class_ids: NDArray[np.int32],
    ) -> NDArray[np.int64]:
        suppress: Any = cv2.dnn.NMSBoxesBatched  # its type stub knows lists only
        sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        thresholds = self._task.score_threshold, self._task.iou_threshold
        kept = suppress(sizes, scores, class_ids, *thresholds, top_k=reference.MIN_CANDIDATES)
        return np.asarray(kept, np.int64)[: self._task.max_boxes]

    def _scores(self, raw: Raw) -> NDArray[np.float32]:
        """(C, N) logits of all cells."""
        levels = []
        for stride in self._grid.spans:
            name = reference.level_names(self._task, stride)[0]
            values = reference.dequantise(self._tensors[name], raw[name])
            levels.append(values.reshape(len(self._task.classes), -1))
        return np.concatenate(levels, 1)

    def _at_cells(
        self, raw: Raw, task: DetectionTask | PoseTask, kind: int, cells: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(n, C) values of some cells; `kind` as in `reference.level_names`."""
        levels = [reference.level_names(task, stride)[kind] for stride in self._grid.spans]
        values = np.empty((len(cells), raw[levels[0]].shape[1]), np.float32)
        for name, (first, last) in zip(levels, self._grid.spans.values(), strict=True):
            here = np.flatnonzero((cells >= first) & (cells < last))
            of_level = raw[name].reshape(values.shape[1], -1)[:, cells[here] - first]
            values[here] = reference.dequantise(self._tensors[name], of_level).T
        return values

    def _decoded(self, raw: Raw, cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, 4): the distances, or the mean of their bins' softmax, in the frame's pixels."""
        values = self._at_cells(raw, self._task, 1, cells)
        if self._task.bins is None:
            units = values.clip(0)
        else:
            bins = values.reshape(-1, 4, len(self._bins))
            powers = np.exp(bins - bins.max(2, keepdims=True))
            units = powers @ self._bins / powers.sum(2)
        reach = units * self._grid.stride[cells, None]
        centre = self._grid.centre[cells] - self._corner
        boxes = np.concatenate([centre - reach[:, :2], centre + reach[:, 2:]], 1)
        boxes *= self._per_pixel
        return np.asarray(boxes.clip(0, self._limits))

    def _keypoints(
        self, raw: Raw, pose: PoseTask, rows: NDArray[np.int32], cells: NDArray[np.int64]
    ) -> Poses:
        offsets = self._at_cells(raw, pose, 0, cells).reshape(len(cells), len(pose.keypoints), 2)
        points = offsets * self._grid.stride[cells, None, None]
        points += (self._grid.centre[cells] - self._corner)[:, None]
        points *= self._per_pixel
        return Poses(pose.keypoints, rows, points, _sigmoid(self._at_cells(raw, pose, 1, cells)))


class _Classes:
    def __init__(self, task: ClassificationTask, tensor: TensorSpec) -> None:
        self._task, self._tensor = task, tensor

    def __call__(self, raw: Raw) -> Classification:
        logits = reference.dequantise(self._tensor, raw[self._task.name]).ravel()
        if self._task.multi_label:
            return Classification(self._task.classes, _sigmoid(logits))
        powers = np.exp(logits - logits.max())
        return Classification(self._task.classes, powers / powers.sum())


def _argmax_labels(logits: NDArray[np.float32], window: MaskWindow) -> NDArray[np.uint8]:
    """All classes resized at once, then NumPy's argmax over the last axis: over the first one, of
    classes resized one by one, it took twice as long."""
    resized = cv2.resize(np.ascontiguousarray(logits.transpose(1, 2, 0)), window.size)
    return np.asarray(resized[window.inside].argmax(2).astype(np.uint8))


def _running_labels(logits: NDArray[np.float32], window: MaskWindow) -> NDArray[np.uint8]:
    """Class by class, with the best so far: the fastest that was found with OpenCV and NumPy."""
    best = cv2.resize(logits[0], window.size)[window.inside]
    labels = np.zeros(best.shape, np.uint8)
    resized = np.empty((window.size[1], window.size[0]), np.float32)
    better = np.empty(best.shape, np.uint8)
    for class_id in range(1, len(logits)):
        cv2.resize(logits[class_id], window.size, dst=resized)
        inside = resized[window.inside]
        cv2.compare(inside, best, cv2.CMP_GT, dst=better)  # 0 or 255
        np.bitwise_and(better, class_id, out=better)
        np.maximum(labels, better, out=labels)
        cv2.max(best, inside, dst=best)
    return labels


# Of a window of logits (C, h, w).
_LABELS: dict[str, Callable[[NDArray[np.float32], MaskWindow], NDArray[np.uint8]]] = {
    "argmax": _argmax_labels,
    "running maximum": _running_labels,
}


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logits)))
