"""How well boxes agree."""

from __future__ import annotations

import torch
from torch import Tensor


def paired_iou(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al., 2019, arXiv:1902.09630) of boxes (..., 4) with
    boxes (..., 4), each (...)."""
    inner = (
        torch.minimum(left[..., 2:], right[..., 2:]) - torch.maximum(left[..., :2], right[..., :2])
    ).clamp_min(0.0)
    overlap = inner.prod(-1)
    union = (_area(left) + _area(right) - overlap).clamp_min(1e-6)
    hull = (
        torch.maximum(left[..., 2:], right[..., 2:]) - torch.minimum(left[..., :2], right[..., :2])
    ).prod(-1)
    iou = overlap / union
    return iou, iou - (hull - union) / hull.clamp_min(1e-6)


def mean_distances(values: Tensor, bins: int | None) -> Tensor:
    """(..., 4) distances in strides, none below zero, from what cells say of them: (..., 4), or
    (..., 4 bins) logits as of `DetectionTask.bins`."""
    if bins is None:
        return values.clamp_min(0.0)
    places = torch.arange(bins, dtype=values.dtype, device=values.device)
    distances: Tensor = values.reshape(*values.shape[:-1], 4, bins).softmax(-1) @ places
    return distances


def distribution_focal(logits: Tensor, distances: Tensor) -> Tensor:
    """(P,): how unlikely the two bins beside each distance are, the mean over the four sides (Li et
    al., 2020, arXiv:2006.04388, equation 6).

    logits: (P, 4 bins). distances: (P, 4) in strides; what lies beyond the last bin counts as it.
    """
    bins = logits.shape[1] // 4
    likelihood = logits.reshape(-1, 4, bins).log_softmax(-1)
    inside = distances.clamp(0.0, bins - 1.0)
    lower = inside.floor().clamp_max(bins - 2)
    share = inside - lower
    index = lower.long().unsqueeze(-1)
    below, above = likelihood.gather(-1, index), likelihood.gather(-1, index + 1)
    both: Tensor = below.squeeze(-1) * (1.0 - share) + above.squeeze(-1) * share
    return -both.mean(-1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)
