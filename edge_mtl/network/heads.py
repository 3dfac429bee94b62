"""Heads: from the pyramid to the raw outputs that the `ModelSpec` names."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from edge_mtl.network.backbones import STRIDES
from edge_mtl.network.layers import conv_layer
from edge_mtl.spec import DetectionTask, SegmentationTask

_PRIOR = 0.01  # the share of cells that hold an object; Lin et al., 2017, arXiv:1708.02002, 4.1
_FIRST_DISTANCE = 1.5  # cells from the centre to each side, before any training


class SegmentationHeads(nn.Module):
    """All segmentation tasks of one stride: a shared trunk and one 1x1 convolution a task."""

    def __init__(self, tasks: Sequence[SegmentationTask], channels: int) -> None:
        super().__init__()
        self.stride = tasks[0].stride
        self.trunk = nn.Sequential(
            conv_layer(channels, channels, 3), conv_layer(channels, channels, 3)
        )
        self.logits = nn.ModuleDict(
            {task.name: nn.Conv2d(channels, len(task.classes), 1) for task in tasks}
        )

    def forward(self, pyramid: Sequence[Tensor]) -> dict[str, Tensor]:
        features = self.trunk(pyramid[STRIDES.index(self.stride)])
        return {name: layer(features) for name, layer in self.logits.items()}


class DetectionHead(nn.Module):
    """An anchor-free head (FCOS, arXiv:1904.01355): per level and cell class logits and distances.

    Levels do not share layers: each keeps the ranges of its own activations, which 8 bits need.
    """

    def __init__(self, task: DetectionTask, channels: int) -> None:
        super().__init__()
        self.task = task
        self.levels = nn.ModuleList(
            _DetectionLevel(channels, len(task.classes)) for _ in task.strides
        )

    def forward(self, pyramid: Sequence[Tensor]) -> dict[str, Tensor]:
        outputs = {}
        for stride, level in zip(self.task.strides, self.levels, strict=True):
            scores, boxes = level(pyramid[STRIDES.index(stride)])
            outputs[f"{self.task.name}_scores_{stride}"] = scores
            outputs[f"{self.task.name}_boxes_{stride}"] = boxes
        return outputs


class _DetectionLevel(nn.Module):
    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.score_trunk = conv_layer(channels, channels, 3)
        self.box_trunk = conv_layer(channels, channels, 3)
        self.scores = nn.Conv2d(channels, classes, 1)
        self.boxes = nn.Conv2d(channels, 4, 1)
        nn.init.normal_(self.scores.weight, std=0.01)
        nn.init.constant_(self._bias(self.scores), -math.log((1 - _PRIOR) / _PRIOR))
        nn.init.normal_(self.boxes.weight, std=0.01)
        nn.init.constant_(self._bias(self.boxes), _FIRST_DISTANCE)

    @staticmethod
    def _bias(layer: nn.Conv2d) -> Tensor:
        assert layer.bias is not None
        return layer.bias

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        scores: Tensor = self.scores(self.score_trunk(features))
        boxes: Tensor = self.boxes(self.box_trunk(features))
        return scores, boxes
