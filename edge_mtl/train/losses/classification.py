"""The loss of a group of labels that hold for the whole picture."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from edge_mtl.tasks import ClassificationTask
from edge_mtl.train.batch import NO_CLASS
from edge_mtl.train.processes import mean_over_processes


def classification_loss(task: ClassificationTask, logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy, or the multi-label soft margin (binary cross-entropy of each class).

    Both are means over what the batch labels.

    logits: (N, C, 1, 1).
    wanted: (N,) int64, `NO_CLASS` where a sample does not say; of a multi-label task (N, C)
        float32 of 0 and 1, NaN where it does not.
    """
    flat = logits.float().flatten(1)
    if task.multi_label:
        known = ~wanted.isnan()
        total = F.binary_cross_entropy_with_logits(flat[known], wanted[known], reduction="sum")
    else:
        known = wanted != NO_CLASS
        total = F.cross_entropy(flat[known], wanted[known], reduction="sum")
    count = mean_over_processes(known.sum().float())
    if not known.any():
        return logits.new_zeros((), dtype=flat.dtype)
    return total / count
