"""Raw outputs to results with OpenCV and NumPy: resize and argmax, `NMSBoxesBatched`.

Boxes are decoded where the threshold leaves any. Labels come from the 8-bit values as floats, since
a scale changes no argmax. Resizing the 8-bit values themselves is faster, but rounds: more than one
pixel in a hundred then has another class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from head_result import HeadResult
from kernel_inputs import PLACEMENT, POSES, SPEC, SURFACES, THINGS, HeadInputs
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.tasks import DetectionTask, PoseTask
from rivals.cell_grid import CellGrid
from rivals.mask_window import MaskWindow


class Head:
    """way: how the mask is made, "argmax" or "running maximum"."""

    def __init__(self, inputs: HeadInputs, mask_size: tuple[int, int], way: str) -> None:
        self._inputs = inputs
        self._labels = _LABELS[way]
        self._window = MaskWindow.of(PLACEMENT, SURFACES.stride, mask_size)
        self._grid = CellGrid(THINGS.strides, SPEC.input.size)
        self._min_logit = reference.logit(THINGS.score_threshold)
        self._bins = np.arange(THINGS.bins or 1, dtype=np.float32)
        self._per_pixel = np.float32(PLACEMENT.frame_per_pixel[0])
        self._corner = np.array([PLACEMENT.x, PLACEMENT.y], np.float32)
        self._limits = np.array(PLACEMENT.frame_size * 2, np.float32)
        self._person = THINGS.classes.index(POSES.classes[0])

    def __call__(self, raw: dict[str, NDArray[Any]]) -> HeadResult:
        window = raw[SURFACES.name][0, :, self._window.rows].astype(np.float32, copy=False)
        labels = self._labels(window, self._window)

        logits = self._scores(raw)
        best = logits.max(0)
        cells = np.flatnonzero(best > self._min_logit)
        class_ids = logits[:, cells].argmax(0)
        scores = _sigmoid(best[cells])
        boxes = self._boxes(raw, cells)
        kept = self._suppress(boxes, scores, class_ids)
        rows = np.flatnonzero(class_ids[kept] == self._person)
        points, visible = self._keypoints(raw, cells[kept[rows]])
        return HeadResult(labels, boxes[kept], scores[kept], class_ids[kept], rows, points, visible)

    def _suppress(
        self,
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        class_ids: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        suppress: Any = cv2.dnn.NMSBoxesBatched  # its type stub knows lists only
        sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        thresholds = THINGS.score_threshold, THINGS.iou_threshold
        kept = suppress(sizes, scores, class_ids, *thresholds, top_k=reference.MIN_CANDIDATES)
        return np.asarray(kept, np.int64)[: THINGS.max_boxes]

    def _scores(self, raw: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
        """(C, N) logits of all cells."""
        levels = []
        for stride in self._grid.spans:
            name = reference.level_names(THINGS, stride)[0]
            values = reference.dequantise(self._inputs.tensor(name), raw[name])
            levels.append(values.reshape(len(THINGS.classes), -1))
        return np.concatenate(levels, 1)

    def _at_cells(
        self,
        raw: dict[str, NDArray[Any]],
        task: DetectionTask | PoseTask,
        kind: int,
        cells: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """(n, C) values of some cells; `kind` as in `reference.level_names`."""
        levels = [reference.level_names(task, stride)[kind] for stride in self._grid.spans]
        values = np.empty((len(cells), raw[levels[0]].shape[1]), np.float32)
        for name, (first, last) in zip(levels, self._grid.spans.values(), strict=True):
            here = np.flatnonzero((cells >= first) & (cells < last))
            of_level = raw[name].reshape(values.shape[1], -1)[:, cells[here] - first]
            values[here] = reference.dequantise(self._inputs.tensor(name), of_level).T
        return values

    def _boxes(self, raw: dict[str, NDArray[Any]], cells: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, 4): the softmax of the bins, their mean, and the frame's pixels."""
        logits = self._at_cells(raw, THINGS, 1, cells).reshape(-1, 4, len(self._bins))
        powers = np.exp(logits - logits.max(2, keepdims=True))
        reach = powers @ self._bins / powers.sum(2) * self._grid.stride[cells, None]
        centre = self._grid.centre[cells] - self._corner
        boxes = np.concatenate([centre - reach[:, :2], centre + reach[:, 2:]], 1)
        boxes *= self._per_pixel
        return np.asarray(boxes.clip(0, self._limits))

    def _keypoints(
        self, raw: dict[str, NDArray[Any]], cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, K, 2) points in the frame, (n, K) scores."""
        offsets = self._at_cells(raw, POSES, 0, cells).reshape(len(cells), -1, 2)
        points = offsets * self._grid.stride[cells, None, None]
        points += (self._grid.centre[cells] - self._corner)[:, None]
        points *= self._per_pixel
        return points, _sigmoid(self._at_cells(raw, POSES, 1, cells))


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
