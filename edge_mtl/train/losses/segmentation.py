"""The loss of a mask: cross-entropy with balanced classes, and optionally what IoU is made of."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from edge_mtl.data.sample import IGNORE
from edge_mtl.train.config import LossConfig
from edge_mtl.train.processes import mean_over_processes

_ENET_C = 1.1

# Some losses look at one pixel in so many, in both directions: sorting all of them costs the
# Lovasz loss too much, and an auxiliary head knows no more than every sixteenth.
_LOVASZ_GRID, _AUXILIARY_GRID = 3, 4


def class_weights(shares: NDArray[np.float64], balance: float) -> Tensor:
    """ENet's weights `1 / ln(c + share)` of classes by their share of pixels, to the power
    `balance`, with mean 1 (Paszke et al., 2016, arXiv:1606.02147, section 5.2).

    c = 1.1 bounds the ratio of the rarest to the commonest class at 8.
    """
    weights = np.log(_ENET_C + shares) ** -balance
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))


def segmentation_loss(
    logits: Tensor,
    mask: Tensor,
    weights: Tensor,
    config: LossConfig,
    auxiliary: Tensor | None = None,
) -> Tensor:
    """The loss of logits (N, C, h, w), upsampled, against a mask (N, H, W).

    Only the samples that have a label are upsampled. Of a binary task C is 1: its logit stands
    against a background of 0.

    weights: by class, of the cross-entropy.
    auxiliary: logits of an auxiliary head, which cross-entropy alone trains.
    """
    labelled = (mask != IGNORE).flatten(1).any(1)
    mask = mask[labelled]
    full = _upsampled(logits[labelled], mask)
    loss = _cross_entropy(full, mask, weights, config.label_smoothing)
    if auxiliary is not None:
        few = _thinned(mask, _AUXILIARY_GRID)
        coarse = _upsampled(auxiliary[labelled], few)
        loss = loss + config.auxiliary * _cross_entropy(
            coarse, few, weights, config.label_smoothing
        )
    if not labelled.any():
        return logits.new_zeros((), dtype=full.dtype)
    if config.lovasz:
        few = _thinned(mask, _LOVASZ_GRID)
        loss = loss + config.lovasz * lovasz_loss(_thinned(full, _LOVASZ_GRID), few)
    if config.dice:
        loss = loss + config.dice * dice_loss(full, mask)
    return loss


def lovasz_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """The Lovasz extension of 1 - IoU, a mean over the classes that are there
    (Berman et al., 2018, arXiv:1705.08790, section 3, "Lovasz-Softmax").

    Over all pixels of the batch together. logits: (N, C, H, W), C > 1.
    """
    kept = mask != IGNORE
    scores = logits.softmax(1).movedim(1, -1)[kept]  # (P, C)
    labels = mask[kept]
    losses = []
    for class_id in torch.unique(labels).tolist():
        truth = (labels == class_id).to(scores.dtype)
        errors, order = (truth - scores[:, class_id]).abs().sort(descending=True)
        losses.append(errors @ _iou_steps(truth[order]))
    return torch.stack(losses).mean() if losses else logits.new_zeros(())


def _iou_steps(truth: Tensor) -> Tensor:
    """How much IoU each further wrong pixel costs, worst first (the paper's algorithm 1)."""
    total = truth.sum()
    shared = total - truth.cumsum(0)
    union = total + (1.0 - truth).cumsum(0)
    lost = 1.0 - shared / union
    return torch.cat([lost[:1], lost.diff()])


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """1 - the soft Dice coefficient, a mean over the classes that are there
    (Milletari et al., 2016, arXiv:1606.04797, equation 1).

    Over all pixels of the batch together. logits: (N, C, H, W), C > 1.
    """
    kept = mask != IGNORE
    scores = logits.softmax(1) * kept[:, None]
    truth = F.one_hot(mask.where(kept, 0), logits.shape[1]).movedim(-1, 1) * kept[:, None]
    dims = (0, 2, 3)
    there = truth.sum(dims)
    shared = (scores * truth).sum(dims)
    size = scores.square().sum(dims) + there  # a truth of 0 and 1 is its own square
    dice = 2.0 * shared / size.clamp_min(1e-6)
    found = there > 0
    return (1.0 - dice[found]).mean() if found.any() else logits.new_zeros(())


def _thinned(picture: Tensor, grid: int) -> Tensor:
    """Every `grid`-th pixel of every `grid`-th row of (..., H, W)."""
    return picture[..., grid // 2 :: grid, grid // 2 :: grid]


def _upsampled(logits: Tensor, mask: Tensor) -> Tensor:
    """(N, C, H, W) float32 logits at the mask's size; two channels for a binary task."""
    full = logits.float()
    if full.shape[-2:] != mask.shape[-2:] and len(full):
        full = F.interpolate(full, mask.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([torch.zeros_like(full), full], 1) if full.shape[1] == 1 else full


def _cross_entropy(full: Tensor, mask: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """The weighted mean over labelled pixels of all processes."""
    labelled = mask != IGNORE
    weight = mean_over_processes(weights[mask.where(labelled, 0)].mul(labelled).sum())
    if not len(full):
        return full.sum()
    total = F.cross_entropy(
        full, mask, weights, ignore_index=IGNORE, reduction="sum", label_smoothing=smoothing
    )
    return total / weight.clamp_min(1e-6)
