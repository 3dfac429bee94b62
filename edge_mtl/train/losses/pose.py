"""The loss of keypoints: 1 - object keypoint similarity (Maji et al., YOLO-Pose, 2022,
arXiv:2204.06806, section 3.3), and cross-entropy on whether a keypoint can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_mtl.data.keypoints import oks_sigmas
from edge_mtl.tasks import PoseTask
from edge_mtl.train.batch import Batch
from edge_mtl.train.losses.detection import Answers, cells_of

_VISIBILITY_WEIGHT = 0.5
_DISTANCE_WEIGHT = 0.2
_SEEN = 2.0  # COCO's visibility of a keypoint that is not hidden


def pose_loss(task: PoseTask, answers: Answers, raw: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """The loss over the cells that answer for a box with keypoints, weighted like the box loss.

    The similarity is flat far from the truth, so that a small part of the loss is the distance
    itself, in sides of the box. A person without any labelled keypoint gives no loss.
    """
    normaliser = answers.score_sum()
    sigmas = torch.tensor(oks_sigmas(task.keypoints), device=answers.centres.device)
    rows, cells, scores, truths, areas = [], [], [], [], []
    for row, (sample, assignment) in enumerate(
        zip(answers.samples, answers.assignments, strict=True)
    ):
        target = batch.boxes[sample]
        assert target is not None
        if task.name not in target.keypoints:
            continue
        truth = target.keypoints[task.name][assignment.boxes]  # (P, K, 3)
        posed = (truth[..., 2] > 0).any(1)
        boxes = target.corners[assignment.boxes[posed]]
        rows.append(torch.full_like(assignment.cells[posed], row))
        cells.append(assignment.cells[posed])
        scores.append(assignment.scores[posed])
        truths.append(truth[posed])
        areas.append((boxes[:, 2:] - boxes[:, :2]).prod(-1))
    points = cells_of([raw[f"{task.name}_points_{stride}"] for stride in task.strides])
    if not rows or not sum(len(each) for each in rows):
        return points.new_zeros(())
    cell = torch.cat(cells)
    of_sample = torch.tensor(answers.samples, device=cell.device)[torch.cat(rows)]
    visible = cells_of([raw[f"{task.name}_visible_{stride}"] for stride in task.strides])
    truth, score, area = torch.cat(truths), torch.cat(scores), torch.cat(areas).clamp_min(1.0)

    offsets = points[of_sample, cell].reshape(len(cell), -1, 2) * answers.strides[cell, None, None]
    found = answers.centres[cell, None] + offsets
    labelled = truth[..., 2] > 0
    squared = (found - truth[..., :2]).square().sum(-1) / area[:, None]
    similarity = torch.exp(-squared / (2.0 * (2.0 * sigmas).square()))
    # The root's slope is infinite at 0.
    distance = (squared + 1e-6).sqrt()
    each = (1.0 - similarity + _DISTANCE_WEIGHT * distance) * labelled
    place = each.sum(1) / labelled.sum(1)
    seen = F.binary_cross_entropy_with_logits(
        visible[of_sample, cell], (truth[..., 2] == _SEEN).float(), reduction="none"
    ).mean(1)
    total: Tensor = ((place + _VISIBILITY_WEIGHT * seen) * score).sum() / normaliser
    return total
