"""Detection accuracy: COCO's mean average precision (faster-coco-eval), and precision and recall at
the score threshold that the network is deployed with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.sample import Boxes
from edge_mtl.scene import Detections
from edge_mtl.spec import DetectionTask

MATCH_IOU = 0.5
"""Precision, recall and F1 count a box as found from this IoU on."""


class ClassAccuracy(msgspec.Struct, kw_only=True):
    """As `DetectionAccuracy`, for one class; objects: how many the labels hold."""

    map50: float
    map: float
    precision: float
    recall: float
    f1: float
    objects: int


class DetectionAccuracy(msgspec.Struct, kw_only=True):
    """Everything in [0, 1].

    map: the mean over classes and over IoU 0.50:0.05:0.95, as COCO defines it; map50: at 0.50.
    precision, recall, f1: at IoU 0.5 and the task's score threshold, all classes together.
    per_class: the classes that the labels hold.
    """

    map50: float
    map: float
    precision: float
    recall: float
    f1: float
    per_class: dict[str, ClassAccuracy]


class DetectionMeter:
    """Collects detections of one task, frame by frame."""

    def __init__(self, task: DetectionTask) -> None:
        self.frames = 0
        self._task = task
        self._found: list[dict[str, Any]] = []
        self._wanted: list[dict[str, Any]] = []
        # by class: matched, found, wanted
        self._counts = np.zeros((len(task.classes), 3), np.int64)

    def add(self, found: Detections, wanted: Boxes) -> None:
        """The detections of a frame, best first and down to low scores, and its labels."""
        self.frames += 1
        for box, score, class_id in zip(found.boxes, found.scores, found.class_ids, strict=True):
            self._found.append({**self._record(box, class_id), "score": float(score)})
        for box, class_id in zip(wanted.corners, wanted.class_ids, strict=True):
            record = self._record(box, class_id)
            area = record["bbox"][2] * record["bbox"][3]
            self._wanted.append({**record, "id": len(self._wanted) + 1, "area": area, "iscrowd": 0})
        kept = found.scores >= self._task.score_threshold
        for class_id in range(len(self._task.classes)):
            boxes = found.boxes[kept & (found.class_ids == class_id)]
            labels = wanted.corners[wanted.class_ids == class_id]
            self._counts[class_id] += (matched(boxes, labels), len(boxes), len(labels))

    def result(self) -> DetectionAccuracy:
        precisions = self._average_precisions()
        per_class = {}
        for class_id, name in enumerate(self._task.classes):
            if self._counts[class_id, 2] == 0:
                continue
            precision, recall, f1 = _scores(self._counts[class_id])
            per_class[name] = ClassAccuracy(
                map50=float(precisions[class_id, 0]),
                map=float(precisions[class_id].mean()),
                precision=precision,
                recall=recall,
                f1=f1,
                objects=int(self._counts[class_id, 2]),
            )
        precision, recall, f1 = _scores(self._counts.sum(0))
        return DetectionAccuracy(
            map50=_mean(each.map50 for each in per_class.values()),
            map=_mean(each.map for each in per_class.values()),
            precision=precision,
            recall=recall,
            f1=f1,
            per_class=per_class,
        )

    def _record(self, box: NDArray[np.float32], class_id: int) -> dict[str, Any]:
        x1, y1, x2, y2 = (float(value) for value in box)
        return {
            "image_id": self.frames,
            "category_id": int(class_id) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
        }

    def _average_precisions(self) -> NDArray[np.float64]:
        """(classes, 10): by class and IoU threshold from 0.50; 0 where nothing was found."""
        from faster_coco_eval import COCO, COCOeval_faster

        if not self._found or not self._wanted:
            return np.zeros((len(self._task.classes), 10))
        labels = COCO(
            {
                "images": [{"id": i + 1} for i in range(self.frames)],
                "categories": [
                    {"id": i + 1, "name": name} for i, name in enumerate(self._task.classes)
                ],
                "annotations": self._wanted,
            }
        )
        measured = COCOeval_faster(labels, labels.loadRes(self._found), "bbox")
        measured.evaluate()
        measured.accumulate()
        # (IoU, recall, class, area, most detections): all areas, at most 100 a frame
        precision = measured.eval["precision"][:, :, :, 0, -1]
        average: NDArray[np.float64] = np.where(precision < 0, 0.0, precision).mean(1).T
        return average


def matched(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> int:
    """How many boxes of (N, 4), best first, each take one of (M, 4) of their own at `MATCH_IOU`."""
    if len(found) == 0 or len(wanted) == 0:
        return 0
    overlaps = iou(found, wanted)
    count = 0
    for row in overlaps:
        best = int(row.argmax())
        if row[best] >= MATCH_IOU:
            overlaps[:, best] = -1.0
            count += 1
    return count


def iou(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, M) intersection over union of boxes (N, 4) and (M, 4)."""
    corner = np.maximum(left[:, None, :2], right[None, :, :2])
    opposite = np.minimum(left[:, None, 2:], right[None, :, 2:])
    inner = np.clip(opposite - corner, 0, None).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (left, right)]
    union: NDArray[np.float32] = areas[0][:, None] + areas[1][None] - inner
    result: NDArray[np.float32] = inner / np.maximum(union, 1e-9)
    return result


def _scores(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """Precision, recall and F1 of (matched, found, wanted)."""
    hits, found, wanted = (int(value) for value in counts)
    precision, recall = hits / max(1, found), hits / max(1, wanted)
    return precision, recall, 2 * hits / max(1, found + wanted)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return float(np.mean(listed)) if listed else 0.0
