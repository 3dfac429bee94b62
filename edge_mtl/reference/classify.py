"""Logits of the whole picture to the score of each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.reference.raw_tensor import dequantise
from edge_mtl.reference.scores import bounded_logits, exponential, sigmoid
from edge_mtl.scene import Classification
from edge_mtl.tasks import ClassificationTask
from edge_mtl.tensor_spec import TensorSpec


def classify(task: ClassificationTask, tensor: TensorSpec, raw: NDArray[Any]) -> Classification:
    """The softmax of (1, C, 1, 1) raw logits, or where several classes may hold, their sigmoids.

    NaN counts as the lowest logit; where no logit is a number, all classes are as sure.
    """
    logits = bounded_logits(dequantise(tensor, raw).ravel())
    if task.multi_label:
        return Classification(task.classes, sigmoid(logits))
    # The powers of the distances to the best one cannot overflow. They are added in their order,
    # which neither `np.sum` nor, from Python 3.12 on, `sum` does.
    powers = exponential(logits.astype(np.float64) - logits.max())
    scores = powers / np.add.accumulate(powers)[-1]
    return Classification(task.classes, scores.astype(np.float32))
