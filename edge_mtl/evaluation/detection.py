"""Detection accuracy: COCO's mean average precision, and precision and recall at the score
threshold that the network is deployed with.

What nobody looked for in an image is left out before anything is measured. Areas where objects
were not labelled one by one (see `Boxes`) are COCO's crowds, of every class: what is found in them
is neither right nor wrong.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.sample import Boxes
from edge_mtl.evaluation.average_precision import interpolated_precisions
from edge_mtl.evaluation.matching import IGNORED_SHARE, MATCH_IOU, iou, match, share_inside
from edge_mtl.evaluation.scores import Scores, mean, scores
from edge_mtl.scene import Detections
from edge_mtl.tasks import BoxTask


class ClassAccuracy(Scores, kw_only=True):
    """As `DetectionAccuracy`, for one class; objects: how many the labels hold."""

    map50: float
    map: float
    objects: int


class DetectionAccuracy(Scores, kw_only=True):
    """Everything in [0, 1].

    precision, recall, f1: at IoU 0.5 and the task's score threshold, all classes together.
    map: the mean over classes and over IoU 0.50:0.05:0.95, as COCO defines it; map50: at 0.50.
    per_class: the classes that the labels hold.
    """

    map50: float
    map: float
    per_class: dict[str, ClassAccuracy]

    def figures(self) -> dict[str, float]:
        """What a table shows, by name."""
        return {
            "mAP50": self.map50,
            "mAP": self.map,
            "precision": self.precision,
            "recall": self.recall,
            "F1": self.f1,
            **{f"F1 {name}": each.f1 for name, each in self.per_class.items()},
        }


class DetectionMeter:
    """Collects detections of one task, frame by frame."""

    def __init__(self, task: BoxTask) -> None:
        self.task = task
        self._frames = 0
        self._found: list[dict[str, Any]] = []
        self._wanted: list[dict[str, Any]] = []
        # by class: hits, found, wanted
        self._counts = np.zeros((len(task.classes), 3), np.int64)

    def add(self, found: Detections, wanted: Boxes) -> None:
        """The detections of a frame, best first and down to low scores, and its labels."""
        self._frames += 1
        for row in np.flatnonzero(_searched(found, wanted)):
            record = self._record(found.boxes[row], found.class_ids[row])
            self._found.append({**record, "score": float(found.scores[row])})
        for box, class_id in zip(wanted.corners, wanted.class_ids, strict=True):
            self._wanted.append(self._label(box, class_id))
        for area in wanted.ignored:
            for class_id in np.unique(found.class_ids):
                self._wanted.append({**self._label(area, class_id), "iscrowd": 1})
        partners, counted = judge(found, wanted)
        shown = counted & deployed(found, self.task)
        hits, shown_ids = found.class_ids[shown & (partners >= 0)], found.class_ids[shown]
        classes = len(self.task.classes)
        self._counts += np.stack(
            [np.bincount(ids, minlength=classes) for ids in (hits, shown_ids, wanted.class_ids)],
            axis=1,
        )

    @property
    def labels(self) -> int:
        """How many objects were labelled."""
        return int(self._counts[:, 2].sum())

    def precision_curves(self) -> NDArray[np.float64]:
        """(classes, 10, 101): see `interpolated_precisions`."""
        return interpolated_precisions(self._found, self._wanted, self._frames, self.task.classes)

    def result(self) -> DetectionAccuracy:
        average = self.precision_curves().mean(2)
        per_class = {
            name: ClassAccuracy(
                **msgspec.structs.asdict(scores(*self._counts[class_id])),
                map50=float(average[class_id, 0]),
                map=float(average[class_id].mean()),
                objects=int(self._counts[class_id, 2]),
            )
            for class_id, name in enumerate(self.task.classes)
            if self._counts[class_id, 2] > 0
        }
        return DetectionAccuracy(
            **msgspec.structs.asdict(scores(*self._counts.sum(0))),
            map50=mean(each.map50 for each in per_class.values()),
            map=mean(each.map for each in per_class.values()),
            per_class=per_class,
        )

    def _label(self, box: NDArray[np.float32], class_id: int) -> dict[str, Any]:
        record = self._record(box, class_id)
        return {**record, "area": record["bbox"][2] * record["bbox"][3]}

    def _record(self, box: NDArray[np.float32], class_id: int) -> dict[str, Any]:
        x1, y1, x2, y2 = (float(value) for value in box)
        return {
            "image_id": self._frames,
            "category_id": int(class_id) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
        }


def judge(found: Detections, wanted: Boxes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Compare the detections of a frame, best first, with its labels.

    Returns:
        (N,) the label that each detection finds, -1 for none; and (N,) whether it counts at all.
    """
    same_class = found.class_ids[:, None] == wanted.class_ids[None]
    partners = match(iou(found.boxes, wanted.corners) * same_class, MATCH_IOU)
    counted = (partners >= 0) | (share_inside(found.boxes, wanted.ignored) < IGNORED_SHARE)
    return partners, counted & _searched(found, wanted)


def deployed(found: Detections, task: BoxTask) -> NDArray[np.bool_]:
    """(N,): of detections, best first and down to low scores, those that `task` lets through."""
    passing: NDArray[np.bool_] = found.scores > task.score_threshold
    passing[task.max_boxes :] = False
    return passing


def _searched(found: Detections, wanted: Boxes) -> NDArray[np.bool_]:
    """(N,): whether somebody looked for the class of each detection."""
    if wanted.searched is None:
        return np.ones(len(found), bool)
    searched: NDArray[np.bool_] = wanted.searched[found.class_ids]
    return searched
