"""Segmentation accuracy from one confusion matrix over a whole data set (torchmetrics)."""

from __future__ import annotations

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.classification import MulticlassConfusionMatrix

from edge_mtl.data.sample import IGNORE
from edge_mtl.spec import SegmentationTask


class SegmentationAccuracy(msgspec.Struct, kw_only=True):
    """Everything in [0, 1].

    iou: by class, over all pixels of the data set; classes that no label holds are left out.
    miou: their mean. pixel_accuracy: the share of labelled pixels with the right class.
    """

    miou: float
    pixel_accuracy: float
    iou: dict[str, float]


class SegmentationMeter:
    """Collects masks of one task, frame by frame."""

    def __init__(self, task: SegmentationTask) -> None:
        self.frames = 0
        self._classes = task.classes
        # Checking that all values are class ids takes five times as long as counting them.
        self._matrix = MulticlassConfusionMatrix(
            len(task.classes), ignore_index=IGNORE, validate_args=False
        )

    def add(self, found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> None:
        """Both (H, W) class ids; `IGNORE` in `wanted` counts nowhere."""
        self.frames += 1
        self._matrix.update(torch.from_numpy(found).long(), torch.from_numpy(wanted).long())

    def result(self) -> SegmentationAccuracy:
        matrix = self._matrix.compute().numpy().astype(np.float64)  # rows: labels
        right, labelled = matrix.diagonal(), matrix.sum(1)
        union = labelled + matrix.sum(0) - right
        iou = {
            name: float(right[i] / union[i])
            for i, name in enumerate(self._classes)
            if labelled[i] > 0
        }
        return SegmentationAccuracy(
            miou=float(np.mean(list(iou.values()))) if iou else 0.0,
            pixel_accuracy=float(right.sum() / max(1.0, labelled.sum())),
            iou=iou,
        )
