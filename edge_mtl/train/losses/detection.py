"""The loss of a detection task: quality focal loss on the classes (Li et al., 2020,
arXiv:2006.04388) and generalised IoU on the boxes, weighted as in TOOD (arXiv:2108.07755,
section 3.2, "Task-aligned loss"); where distances have bins, distribution focal loss on these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_mtl.tasks import DetectionTask
from edge_mtl.train.batch import Batch
from edge_mtl.train.losses.assignment import Assignment, assign, cell_centres, is_within
from edge_mtl.train.losses.boxes import distribution_focal, mean_distances, paired_iou
from edge_mtl.train.processes import mean_over_processes, process_count

_BOX_WEIGHT = 2.0  # of the IoU loss beside the class loss, as in TOOD's own setup
_BINS_WEIGHT = 0.25  # of the distribution focal loss, as in the paper


@dataclass(frozen=True, slots=True)
class Answers:
    """What the cells of a detection task say, and what they should answer for.

    samples: the S samples of the batch that have box labels.
    centres: (A, 2) x y in pixels, strides: (A,), of all cells of all levels.
    logits: (S, A, C); predicted: (S, A, 4), x1 y1 x2 y2 in pixels, and what they were made of,
        sides: (S, A, 4) or (S, A, 4 bins).
    assignments: one for each of `samples`.
    """

    samples: list[int]
    centres: Tensor
    strides: Tensor
    logits: Tensor
    predicted: Tensor
    sides: Tensor
    assignments: list[Assignment]

    def score_sum(self) -> Tensor:
        """The sum of the scores that answering cells should have, the mean over processes."""
        found = [each.scores.sum() for each in self.assignments]
        total = torch.stack(found).sum() if found else self.centres.new_zeros(())
        # At least 1 over the whole batch.
        return mean_over_processes(total).clamp_min(1.0 / process_count())


def answers_of(task: DetectionTask, raw: Mapping[str, Tensor], batch: Batch) -> Answers:
    """Assign the cells of every labelled sample."""
    samples = [i for i, boxes in enumerate(batch.boxes) if boxes is not None]
    scores = [raw[f"{task.name}_scores_{stride}"] for stride in task.strides]
    boxes = [raw[f"{task.name}_boxes_{stride}"] for stride in task.strides]
    shapes = [(int(level.shape[2]), int(level.shape[3])) for level in scores]
    centres, strides = cell_centres(shapes, task.strides, scores[0].device)
    logits = cells_of(scores)[samples]
    sides = cells_of(boxes)[samples]
    reach = mean_distances(sides, task.bins) * strides[:, None]
    predicted = torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], -1)
    assignments = []
    for row, sample in enumerate(samples):
        target = batch.boxes[sample]
        assert target is not None
        assignments.append(
            assign(
                centres,
                strides,
                logits[row].detach().sigmoid(),
                predicted[row].detach(),
                target.corners,
                target.class_ids,
            )
        )
    return Answers(samples, centres, strides, logits, predicted, sides, assignments)


def detection_loss(answers: Answers, batch: Batch) -> Tensor:
    """The class loss over all cells and the IoU loss over the answering ones, both sums over the
    batch divided by the sum of the scores that are wanted.

    Cells in an ignored area, and classes that nobody searched a sample for, learn nothing unless
    they answer for a box.
    """
    normaliser = answers.score_sum()
    if not answers.samples:
        return answers.logits.new_zeros(())
    wanted = torch.zeros_like(answers.logits)
    supervised = torch.ones_like(answers.logits, dtype=torch.bool)
    box_losses = []
    for row, (sample, assignment) in enumerate(
        zip(answers.samples, answers.assignments, strict=True)
    ):
        target = batch.boxes[sample]
        assert target is not None
        supervised[row, is_within(answers.centres, target.ignored).any(1)] = False
        if target.searched is not None:
            supervised[row, :, ~target.searched] = False
        class_ids = target.class_ids[assignment.boxes]
        supervised[row, assignment.cells] |= F.one_hot(class_ids, wanted.shape[2]).bool()
        wanted[row, assignment.cells, class_ids] = assignment.scores
        truth = target.corners[assignment.boxes]
        _, giou = paired_iou(answers.predicted[row, assignment.cells], truth)
        losses = _BOX_WEIGHT * (1.0 - giou)
        if answers.sides.shape[2] > 4:
            near = answers.centres[assignment.cells]
            away = torch.cat([near - truth[:, :2], truth[:, 2:] - near], 1)
            away = away / answers.strides[assignment.cells, None]
            sides = answers.sides[row, assignment.cells]
            losses = losses + _BINS_WEIGHT * distribution_focal(sides, away)
        box_losses.append((losses * assignment.scores).sum())
    class_loss = (quality_focal(answers.logits, wanted) * supervised).sum()
    return (class_loss + torch.stack(box_losses).sum()) / normaliser


def quality_focal(logits: Tensor, quality: Tensor) -> Tensor:
    """Cross-entropy with a soft target, scaled by the squared error: the QFL of arXiv:2006.04388,
    section 3, whose beta is 2 there too."""
    error = (quality - logits.sigmoid()).square()
    return error * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


def cells_of(levels: Sequence[Tensor]) -> Tensor:
    """(N, C, h, w) of each level as one (N, A, C) float32."""
    return torch.cat([level.float().flatten(2).transpose(1, 2) for level in levels], 1)
