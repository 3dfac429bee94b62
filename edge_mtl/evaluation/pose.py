"""Pose accuracy: how many keypoints lie where they should (PCK), and COCO's mean average precision,
precision and recall of whole poses by object keypoint similarity (OKS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.keypoints import oks_sigmas
from edge_mtl.data.sample import Boxes
from edge_mtl.evaluation.average_precision import interpolated_precisions
from edge_mtl.evaluation.detection import deployed
from edge_mtl.evaluation.matching import IGNORED_SHARE, MATCH_IOU, iou, match, share_inside
from edge_mtl.evaluation.scores import Scores, mean, scores
from edge_mtl.scene import Detections, Poses
from edge_mtl.tasks import KEYPOINTS, DetectionTask, PoseTask

PCK_SHARE = 0.2
"""PCK counts a keypoint within this share of the longer side of the person's box."""

MATCH_OKS = 0.5
"""From this OKS on, a pose is found."""

_PERSON_SHARE = 0.53
"""Of a box, what its person covers: how evaluators of data without masks guess the area that OKS
is measured by (xtcocotools, faster-coco-eval)."""


class PoseAccuracy(Scores, kw_only=True):
    """Everything in [0, 1], over persons with a labelled keypoint.

    precision, recall, f1: of poses, at OKS 0.5 and the detection task's score threshold.
    pck: of all labelled keypoints, hidden ones too, the share that was found within 0.2 of the
        longer side of the person's box (after Yang and Ramanan, 2013, doi:10.1109/TPAMI.2012.261).
        A person whose box is not found (IoU 0.5, at the score threshold) has found none.
    pck_matched: the same over the persons whose box is found: without the detector's misses.
    map: the mean over OKS 0.50:0.05:0.95, as COCO defines it, and over classes; map50: at 0.50.
    per_keypoint: `pck` of every keypoint that is labelled somewhere.
    """

    pck: float
    pck_matched: float
    map50: float
    map: float
    per_keypoint: dict[str, float]

    def figures(self) -> dict[str, float]:
        """What a table shows, by name."""
        return {
            "PCK": self.pck,
            "PCK of found": self.pck_matched,
            "mAP50": self.map50,
            "mAP": self.map,
            "precision": self.precision,
            "recall": self.recall,
            "F1": self.f1,
            **{f"PCK {name}": value for name, value in self.per_keypoint.items()},
        }


@dataclass(frozen=True, slots=True)
class _Persons:
    """Labelled persons of a frame: boxes (M, 4), classes (M,), keypoints (M, K, 3)."""

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    keypoints: NDArray[np.float32]


class PoseMeter:
    """Collects poses of one task, frame by frame.

    detection: the task whose boxes they belong to.
    """

    def __init__(self, task: PoseTask, detection: DetectionTask) -> None:
        self.task = task
        self._detection = detection
        self._class_ids = [detection.classes.index(name) for name in task.classes]
        # A sample can label no keypoint but COCO's.
        self.keypoints = tuple(name for name in task.keypoints if name in KEYPOINTS)
        self._labelled_columns = [KEYPOINTS.index(name) for name in self.keypoints]
        self._found_columns = [task.keypoints.index(name) for name in self.keypoints]
        self._sigmas = np.array(oks_sigmas(self.keypoints))
        self._frames = 0
        self._found: list[dict[str, Any]] = []
        self._wanted: list[dict[str, Any]] = []
        self._counts = np.zeros(3, np.int64)  # hits, found, wanted
        self._distances: list[NDArray[np.float32]] = []

    def add(self, detections: Detections, poses: Poses, wanted: Boxes) -> None:
        """The poses of a frame, best first and down to low scores, and its labels with keypoints.

        A person of whom no keypoint is labelled counts nowhere, nor do a pose on such a person or
        in an ignored area that fits no other, and a pose of a class that nobody searched.
        """
        assert wanted.keypoints is not None
        self._frames += 1
        of_task = np.isin(wanted.class_ids, self._class_ids)
        keypoints = wanted.keypoints[:, self._labelled_columns]
        labelled = (keypoints[..., 2] > 0).any(1)
        kept = of_task & labelled
        persons = _Persons(wanted.corners[kept], wanted.class_ids[kept], keypoints[kept])
        boxes, class_ids = detections.boxes[poses.rows], detections.class_ids[poses.rows]
        found_scores = detections.scores[poses.rows]
        points = poses.points[:, self._found_columns]
        same_class = class_ids[:, None] == persons.class_ids[None]
        shown = deployed(detections, self._detection)[poses.rows]

        person = match(iou(boxes, persons.boxes) * same_class, MATCH_IOU)
        found = shown & (person >= 0)
        self._distances.append(_distances(points[found], person[found], persons))
        similarities = oks(points, persons.keypoints, persons.boxes, self._sigmas) * same_class
        hit = match(similarities, MATCH_OKS) >= 0
        nowhere = np.concatenate([wanted.ignored, wanted.corners[of_task & ~labelled]])
        counted = hit | (share_inside(boxes, nowhere) < IGNORED_SHARE)
        if wanted.searched is not None:
            counted &= wanted.searched[class_ids]
        self._counts += ((hit & shown & counted).sum(), (shown & counted).sum(), len(persons.boxes))
        self._record(points[counted], class_ids[counted], found_scores[counted], persons)

    @property
    def labels(self) -> int:
        """How many keypoints were labelled."""
        return int((~np.isnan(self.distances())).sum())

    def distances(self) -> NDArray[np.float32]:
        """(persons, K): how far each keypoint of `keypoints` was found from where it is labelled,
        in longer sides of the person's box; infinite where it was not found, NaN where it is not
        labelled."""
        nothing = np.zeros((0, len(self.keypoints)), np.float32)
        return np.concatenate([nothing, *self._distances])

    def result(self) -> PoseAccuracy:
        distances = self.distances()
        matched = np.isfinite(distances).any(1)
        precisions = self._average_precisions()
        return PoseAccuracy(
            **msgspec.structs.asdict(scores(*self._counts)),
            pck=pck(distances),
            pck_matched=pck(distances[matched]),
            map50=mean(average[0] for average in precisions),
            map=mean(average.mean() for average in precisions),
            per_keypoint={
                name: pck(distances[:, column])
                for column, name in enumerate(self.keypoints)
                if not np.isnan(distances[:, column]).all()
            },
        )

    def _average_precisions(self) -> list[NDArray[np.float64]]:
        """(10,) by OKS threshold, for every class that the labels hold."""
        curves = interpolated_precisions(
            self._found, self._wanted, self._frames, self._detection.classes, self._sigmas
        )
        held = sorted({record["category_id"] - 1 for record in self._wanted})
        return [curves[class_id].mean(1) for class_id in held]

    def _record(
        self,
        points: NDArray[np.float32],
        class_ids: NDArray[np.int32],
        found_scores: NDArray[np.float32],
        persons: _Persons,
    ) -> None:
        """Note poses and persons in COCO's format."""
        seen = np.ones((*points.shape[:2], 1), np.float32)
        for triples, class_id, score in zip(
            np.concatenate([points, seen], axis=2), class_ids, found_scores, strict=True
        ):
            self._found.append(
                {
                    "image_id": self._frames,
                    "category_id": int(class_id) + 1,
                    "keypoints": triples.ravel().tolist(),
                    "score": float(score),
                }
            )
        for box, class_id, triples in zip(
            persons.boxes, persons.class_ids, persons.keypoints, strict=True
        ):
            x1, y1, x2, y2 = (float(value) for value in box)
            self._wanted.append(
                {
                    "image_id": self._frames,
                    "category_id": int(class_id) + 1,
                    "keypoints": triples.ravel().tolist(),
                    "num_keypoints": int((triples[:, 2] > 0).sum()),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": _PERSON_SHARE * (x2 - x1) * (y2 - y1),
                }
            )


def _distances(
    points: NDArray[np.float32], person: NDArray[np.int64], persons: _Persons
) -> NDArray[np.float32]:
    """`PoseMeter.distances` of a frame: poses (N, K, 2), each of the person (N,) of `persons`."""
    labelled = persons.keypoints[..., 2] > 0
    distances = np.where(labelled, np.inf, np.nan).astype(np.float32)
    sides = (persons.boxes[:, 2:] - persons.boxes[:, :2]).max(1)
    offsets = np.linalg.norm(points - persons.keypoints[person, :, :2], axis=-1)
    shares = offsets / np.maximum(sides[person, None], 1e-9)
    distances[person] = np.where(labelled[person], shares, np.nan)
    return distances


def oks(
    points: NDArray[np.float32],
    keypoints: NDArray[np.float32],
    boxes: NDArray[np.float32],
    sigmas: NDArray[np.float64],
) -> NDArray[np.float32]:
    """(N, M) object keypoint similarity of poses (N, K, 2) and persons (M, K, 3) with a label.

    The mean over labelled keypoints of exp(-d^2 / (2 A (2 sigma)^2)), as COCO defines it
    (cocodataset.org/#keypoints-eval), with the area A taken from the persons' boxes (M, 4).
    """
    areas = _PERSON_SHARE * (boxes[:, 2:] - boxes[:, :2]).prod(1)
    squared = ((points[:, None] - keypoints[None, ..., :2]) ** 2).sum(-1)  # (N, M, K)
    exponents = squared / (8 * np.maximum(areas, 1e-9)[None, :, None] * sigmas**2)
    labelled = keypoints[None, ..., 2] > 0
    total = (np.exp(-exponents) * labelled).sum(-1)
    similarities: NDArray[np.float32] = (total / labelled.sum(-1)).astype(np.float32)
    return similarities


def pck(distances: NDArray[np.float32], share: float = PCK_SHARE) -> float:
    """Of the distances of `PoseMeter.distances` that are no NaN, those up to `share`; 0 of none."""
    labelled = distances[~np.isnan(distances)]
    return mean(labelled <= share)
