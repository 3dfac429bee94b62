"""The loss of every task, from raw outputs and a `Batch`.

Segmentation: cross-entropy at full resolution with the class weights of ENet (Paszke et al., 2016,
arXiv:1606.02147, section 5.2). Detection: quality focal loss (Li et al., 2020, arXiv:2006.04388)
on the classes and generalised IoU (Rezatofighi et al., 2019, arXiv:1902.09630) on the boxes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from edge_mtl.data.sample import IGNORE
from edge_mtl.spec import DetectionTask, ModelSpec, SegmentationTask
from edge_mtl.train.assignment import assign, cell_centres
from edge_mtl.train.batch import Batch

_BOX_WEIGHT = 2.0  # of the IoU loss beside the class loss, as in quality focal loss's own setup
_ENET_C = 1.1


def class_weights(shares: NDArray[np.float64]) -> Tensor:
    """ENet's weights `1 / ln(c + share)` of classes by their share of pixels, with mean 1.

    c = 1.1 bounds the ratio of the rarest to the commonest class at 8.
    """
    weights = 1.0 / np.log(_ENET_C + shares)
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))


class Losses:
    """The losses of a spec's tasks.

    shares: by segmentation task, the share of every class among labelled pixels.
    """

    def __init__(
        self, spec: ModelSpec, shares: Mapping[str, NDArray[np.float64]], device: torch.device
    ) -> None:
        self._spec = spec
        self._weights = {name: class_weights(share).to(device) for name, share in shares.items()}

    def __call__(self, raw: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """By task, a scalar; a constant zero where no sample of the batch is labelled.

        raw: the network's outputs, (N, C, h, w) by tensor name.
        """
        losses = {}
        for task in self._spec.tasks:
            if isinstance(task, SegmentationTask):
                weights = self._weights[task.name]
                losses[task.name] = segmentation_loss(
                    raw[task.name], batch.masks[task.name], weights
                )
            else:
                losses[task.name] = detection_loss(task, raw, batch)
        return losses


def segmentation_loss(logits: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy of logits (N, C, h, w), upsampled, against a mask (N, H, W).

    Only the samples that have a label are upsampled.
    """
    labelled = (mask != IGNORE).flatten(1).any(1)
    if not labelled.any():
        return logits.new_zeros(())
    mask = mask[labelled]
    full = F.interpolate(
        logits[labelled].float(), mask.shape[-2:], mode="bilinear", align_corners=False
    )
    return F.cross_entropy(full, mask, weights, ignore_index=IGNORE)


def detection_loss(task: DetectionTask, raw: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """Quality focal loss over all cells plus the IoU loss over the cells that hold an object.

    Both are sums over the labelled samples, divided by the number of cells that hold an object.
    """
    labelled = [i for i, boxes in enumerate(batch.boxes) if boxes is not None]
    scores = [raw[f"{task.name}_scores_{stride}"] for stride in task.strides]
    boxes = [raw[f"{task.name}_boxes_{stride}"] for stride in task.strides]
    if not labelled:
        return scores[0].new_zeros(())
    shapes = [(int(level.shape[2]), int(level.shape[3])) for level in scores]
    centres, strides = cell_centres(shapes, task.strides, scores[0].device)
    logits = _cells(scores)[labelled]
    sides = _cells(boxes)[labelled].clamp_min(0.0) * strides[:, None]
    predicted = torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], -1)

    quality = torch.zeros_like(logits)
    found, wanted = [], []
    for row, sample in enumerate(labelled):
        target = batch.boxes[sample]
        assert target is not None
        answers = assign(centres, strides, target[0])
        cells = (answers >= 0).nonzero()[:, 0]
        truth, classes = target[0][answers[cells]], target[1][answers[cells]]
        iou, _ = paired_iou(predicted[row, cells], truth)
        quality[row, cells, classes] = iou.detach().clamp_min(0.0)
        found.append(predicted[row, cells])
        wanted.append(truth)
    _, giou = paired_iou(torch.cat(found), torch.cat(wanted))
    objects = max(1, len(giou))
    return (quality_focal(logits, quality).sum() + _BOX_WEIGHT * (1.0 - giou).sum()) / objects


def quality_focal(logits: Tensor, quality: Tensor) -> Tensor:
    """Cross-entropy with a soft target, scaled by the squared error (arXiv:2006.04388, eq. 4)."""
    error = (quality - logits.sigmoid()).square()
    return error * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


def paired_iou(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes (M, 4) with boxes (M, 4), each (M,)."""
    inner = (
        torch.minimum(left[:, 2:], right[:, 2:]) - torch.maximum(left[:, :2], right[:, :2])
    ).clamp_min(0.0)
    overlap = inner.prod(-1)
    areas = (left[:, 2:] - left[:, :2]).prod(-1) + (right[:, 2:] - right[:, :2]).prod(-1)
    union = (areas - overlap).clamp_min(1e-6)
    hull = (
        torch.maximum(left[:, 2:], right[:, 2:]) - torch.minimum(left[:, :2], right[:, :2])
    ).prod(-1)
    iou = overlap / union
    return iou, iou - (hull - union) / hull.clamp_min(1e-6)


def _cells(levels: list[Tensor]) -> Tensor:
    """(N, C, h, w) of each level as one (N, A, C) float32."""
    return torch.cat([level.float().flatten(2).transpose(1, 2) for level in levels], 1)
