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


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)
