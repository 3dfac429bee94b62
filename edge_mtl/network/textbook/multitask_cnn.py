"""`multitask-cnn`: one convolution, shared by linear classifiers of the whole picture.

The listings of it that circulate are for pictures of 14x14 pixels. Here a pool brings the features
of a picture of any size to one grid, which the linear layers read.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from edge_mtl.errors import UsageError
from edge_mtl.network.backbones import Backbone
from edge_mtl.network.features import Features
from edge_mtl.network.heads import Head
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask

_WIDTH = 64
_GRID = 8  # rows and columns; divides the sides of the features, which are multiples of 16


class MultitaskCnnTrunk(Backbone):
    """A 3x3 convolution 3-64, a ReLU and a max pool; one feature at stride 2."""

    def __init__(self) -> None:
        stem = nn.Sequential(nn.Conv2d(3, _WIDTH, 3, padding=1), nn.ReLU(inplace=True))
        pool = nn.Sequential(nn.MaxPool2d(2))
        super().__init__(stem, [pool], (0,), (_WIDTH,), strides=(2,))


class MultitaskCnnHeads(Head):
    """Average pooling to a grid of 8x8, and per task a linear layer over all of it.

    The linear layer is written as a convolution as large as the grid: the same weights, and an
    output (N, C, 1, 1) that quantises like any other.

    Raises:
        UsageError: a task is no classification task.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        for task in spec.tasks:
            if not isinstance(task, ClassificationTask):
                raise UsageError(
                    f"multitask-cnn solves classification tasks, found task {task.name!r}; choose "
                    "another backbone for it"
                )
        self.logits = nn.ModuleDict(
            {task.name: nn.Conv2d(_WIDTH, len(task.classes), _GRID) for task in spec.tasks}
        )

    def forward(self, features: Features) -> dict[str, Tensor]:
        last = features.backbone[-1]
        # A kernel, not an adaptive pool: its size is a constant of the exported graph.
        grid = F.avg_pool2d(last, (last.shape[2] // _GRID, last.shape[3] // _GRID))
        return {name: layer(grid) for name, layer in self.logits.items()}
