"""`PoseHead`: the keypoints of the object that a cell finds."""

from __future__ import annotations

from torch import Tensor, nn

from edge_mtl.network.features import Features
from edge_mtl.network.heads.head import Head, bias_of
from edge_mtl.network.layers import conv_layer
from edge_mtl.tasks import PoseTask


class PoseHead(Head):
    """Per level and cell the offsets of the keypoints and whether they can be seen (YOLO-Pose,
    arXiv:2204.06806, section 3.2).

    Before any training all keypoints are near the centre of their cell, each as likely as not to
    be seen. Levels do not share layers, as in the detection head.
    """

    def __init__(self, task: PoseTask, channels: int) -> None:
        super().__init__()
        self.task = task
        self.strides = task.strides
        self.levels = nn.ModuleList(_PoseLevel(channels, len(task.keypoints)) for _ in task.strides)

    def forward(self, features: Features) -> dict[str, Tensor]:
        outputs = {}
        for stride, level in zip(self.strides, self.levels, strict=True):
            points, visible = level(features.pyramid[stride])
            outputs[f"{self.task.name}_points_{stride}"] = points
            outputs[f"{self.task.name}_visible_{stride}"] = visible
        return outputs


class _PoseLevel(nn.Module):
    def __init__(self, channels: int, keypoints: int) -> None:
        super().__init__()
        self.trunk = conv_layer(channels, channels, 3)
        self.points = nn.Conv2d(channels, 2 * keypoints, 1)
        self.visible = nn.Conv2d(channels, keypoints, 1)
        for layer in (self.points, self.visible):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(bias_of(layer))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(features)
        points: Tensor = self.points(features)
        visible: Tensor = self.visible(features)
        return points, visible
