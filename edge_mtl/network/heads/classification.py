"""`ClassificationHeads`: what holds for the whole picture."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from edge_mtl.network.features import Features
from edge_mtl.network.heads.head import Head
from edge_mtl.network.layers import GlobalPool, conv_layer
from edge_mtl.tasks import ClassificationTask


class ClassificationHeads(Head):
    """All classification tasks: a shared trunk behind a global average pool, and one 1x1
    convolution a task.

    It reads the backbone's coarsest feature: what holds for the whole picture needs no pyramid.
    After the pool there is no batch norm, which could not learn from a batch of one.
    """

    def __init__(
        self, tasks: Sequence[ClassificationTask], channels_in: int, channels: int
    ) -> None:
        super().__init__()
        self.reduce = conv_layer(channels_in, channels, 1)
        self.pool = GlobalPool()
        self.trunk = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=True))
        self.logits = nn.ModuleDict(
            {task.name: nn.Conv2d(channels, len(task.classes), 1) for task in tasks}
        )

    def forward(self, features: Features) -> dict[str, Tensor]:
        shared = self.trunk(self.pool(self.reduce(features.backbone[-1])))
        return {name: layer(shared) for name, layer in self.logits.items()}
