"""Losses of a student's raw outputs against a teacher's, task by task.

Student and teacher say the same things here: the same classes in the same order, at the same cells.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_mtl.train.losses.boxes import paired_iou
from edge_mtl.train.losses.detection import quality_focal
from edge_mtl.train.processes import mean_over_processes, process_count

_BOX_WEIGHT = 2.0  # of the IoU loss beside the class loss, as against labels
_LEAST_SCORE = 0.1  # where a teacher sees no object, its boxes mean nothing


def divergence_loss(
    student: Tensor, teacher: Tensor, counted: Tensor, temperature: float
) -> Tensor:
    """The mean of KL(teacher || student) at a temperature T, times T squared, which keeps the size
    of its gradient (Hinton et al., 2015, arXiv:1503.02531, section 2).

    student, teacher: (N, C, ...) logits. counted: (N, ...) bool, what the mean is over.
    """
    wanted = (teacher / temperature).log_softmax(1)
    said = (student / temperature).log_softmax(1)
    each = F.kl_div(said, wanted, reduction="none", log_target=True).sum(1)
    total = (each * counted).sum() * temperature**2
    return total / _normaliser(counted.sum().to(each.dtype))


def presence_loss(student: Tensor, teacher: Tensor, counted: Tensor) -> Tensor:
    """The mean binary cross-entropy against the teacher's probabilities, less that of the teacher
    itself: 0 where both agree.

    student, teacher: (N, C) logits. counted: (N, C) bool, what the mean is over.
    """
    wanted = teacher.sigmoid()
    cross = F.binary_cross_entropy_with_logits(student, wanted, reduction="none")
    own = F.binary_cross_entropy_with_logits(teacher, wanted, reduction="none")
    total = ((cross - own) * counted).sum()
    return total / _normaliser(counted.sum().to(total.dtype))


def cells_loss(
    student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], counted: Tensor
) -> Tensor:
    """Dense pseudo-labels (Zhou et al., Dense Teacher, 2022, arXiv:2207.02541): the class scores of
    all cells as soft targets of the quality focal loss, and GIoU between the boxes of the cells
    where the teacher sees an object, weighted by its score. Both are divided by the sum of those
    scores, as the loss against labels is.

    student, teacher: each the class logits (N, A, C) and the boxes (N, A, 4), x1 y1 x2 y2.
    counted: (N,) bool, the pictures that the teacher speaks of.
    """
    (logits, boxes), (teacher_logits, teacher_boxes) = student, teacher
    wanted = teacher_logits.sigmoid() * counted[:, None, None]
    scores = wanted.amax(2)
    scores = torch.where(scores >= _LEAST_SCORE, scores, 0.0)
    classes = (quality_focal(logits, wanted) * counted[:, None, None]).sum()
    _, giou = paired_iou(boxes, teacher_boxes)
    places = ((1.0 - giou) * scores).sum()
    return (classes + _BOX_WEIGHT * places) / _normaliser(scores.sum())


def _normaliser(count: Tensor) -> Tensor:
    """The mean over processes of what each of them counts, at least 1 over the whole batch."""
    return mean_over_processes(count).clamp_min(1.0 / process_count())
