"""Segmentation accuracy from one confusion matrix over a whole data set (torchmetrics)."""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.classification import MulticlassConfusionMatrix

from edge_mtl.data.sample import IGNORE
from edge_mtl.evaluation.scores import Scores, by_class, macro, mean
from edge_mtl.tasks import SegmentationTask


class SegmentationAccuracy(Scores, kw_only=True):
    """Everything in [0, 1].

    precision, recall, f1: of pixels, the means over classes.
    iou: by class, over all pixels of the data set; classes that no label holds are left out of this
        and of every mean.
    miou: their mean. pixel_accuracy: the share of labelled pixels with the right class.
    """

    miou: float
    pixel_accuracy: float
    iou: dict[str, float]

    def figures(self) -> dict[str, float]:
        """What a table shows, by name."""
        return {
            "mIoU": self.miou,
            "precision": self.precision,
            "recall": self.recall,
            "F1": self.f1,
            **{f"IoU {name}": value for name, value in self.iou.items()},
        }


class SegmentationMeter:
    """Collects masks of one task, frame by frame."""

    def __init__(self, task: SegmentationTask) -> None:
        self.task = task
        # Checking that all values are class ids takes five times as long as counting them.
        self._matrix = MulticlassConfusionMatrix(
            len(task.classes), ignore_index=IGNORE, validate_args=False
        )

    def add(self, found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> None:
        """Both (H, W) class ids; `IGNORE` in `wanted` counts nowhere."""
        self._matrix.update(torch.from_numpy(found).long(), torch.from_numpy(wanted).long())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(C, C): how many pixels of the row's class were given the column's."""
        matrix: NDArray[np.int64] = self._matrix.confmat.cpu().numpy()
        return matrix

    @property
    def labels(self) -> int:
        """How many pixels were labelled."""
        return int(self.confusion.sum())

    def result(self) -> SegmentationAccuracy:
        matrix = self.confusion
        right, labelled = matrix.diagonal(), matrix.sum(1)
        union = labelled + matrix.sum(0) - right
        iou = {
            name: float(right[i] / union[i])
            for i, name in enumerate(self.task.classes)
            if labelled[i] > 0
        }
        return SegmentationAccuracy(
            **msgspec.structs.asdict(macro(by_class(matrix, self.task.classes).values())),
            miou=mean(iou.values()),
            pixel_accuracy=float(right.sum() / max(1, labelled.sum())),
            iou=iou,
        )
