"""`DetectionHead`: classes and boxes of every cell."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from edge_mtl.network.features import Features
from edge_mtl.network.heads.head import Head, bias_of
from edge_mtl.network.layers import conv_layer
from edge_mtl.tasks import DetectionTask

_PRIOR = 0.01  # the share of cells that hold an object; Lin et al., 2017, arXiv:1708.02002, 4.1
_FIRST_DISTANCE = 1.5  # cells from the centre to each side, before any training


class DetectionHead(Head):
    """An anchor-free head (FCOS, arXiv:1904.01355): per level and cell class logits and distances.

    Levels do not share layers: each keeps the ranges of its own activations, which 8 bits need.
    """

    def __init__(self, task: DetectionTask, channels: int) -> None:
        super().__init__()
        self.task = task
        self.strides = task.strides
        self.levels = nn.ModuleList(
            _DetectionLevel(channels, len(task.classes), task.bins) for _ in task.strides
        )

    def forward(self, features: Features) -> dict[str, Tensor]:
        outputs = {}
        for stride, level in zip(self.strides, self.levels, strict=True):
            scores, boxes = level(features.pyramid[stride])
            outputs[f"{self.task.name}_scores_{stride}"] = scores
            outputs[f"{self.task.name}_boxes_{stride}"] = boxes
        return outputs


class _DetectionLevel(nn.Module):
    def __init__(self, channels: int, classes: int, bins: int | None) -> None:
        super().__init__()
        self.score_trunk = conv_layer(channels, channels, 3)
        self.box_trunk = conv_layer(channels, channels, 3)
        self.scores = nn.Conv2d(channels, classes, 1)
        self.boxes = nn.Conv2d(channels, 4 * (bins or 1), 1)
        nn.init.normal_(self.scores.weight, std=0.01)
        nn.init.constant_(bias_of(self.scores), -math.log((1 - _PRIOR) / _PRIOR))
        nn.init.normal_(self.boxes.weight, std=0.01)
        if bins is None:
            nn.init.constant_(bias_of(self.boxes), _FIRST_DISTANCE)
        else:
            # Each distance is less likely than the one before by a factor that gives this mean.
            factor = _FIRST_DISTANCE / (1 + _FIRST_DISTANCE)
            logits = math.log(factor) * torch.arange(bins)
            bias_of(self.boxes).data.copy_(logits.repeat(4))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        scores: Tensor = self.scores(self.score_trunk(features))
        boxes: Tensor = self.boxes(self.box_trunk(features))
        return scores, boxes
