"""`fusionnet`: plain 3x3 convolutions at full resolution, shared by binary segmentation tasks.

The listings of it that circulate share one classifier among the tasks and put a sigmoid in front
of a loss that has one. Here every task has a classifier of its own, which gives a logit; the
sigmoid is in the loss, and in the head kernel a threshold of the logit at zero.
"""

from __future__ import annotations

from torch import Tensor, nn

from edge_mtl.errors import UsageError
from edge_mtl.network.backbones import Backbone
from edge_mtl.network.features import Features
from edge_mtl.network.heads import Head
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import SegmentationTask

_WIDTHS = (64, 128, 256)
_HEAD_WIDTH = 64


class FusionNetTrunk(Backbone):
    """Three 3x3 convolutions, 3-64-128-256, each with a ReLU; one feature at stride 1."""

    def __init__(self) -> None:
        stem, *stages = (
            nn.Sequential(nn.Conv2d(channels_in, width, 3, padding=1), nn.ReLU(inplace=True))
            for channels_in, width in zip((3, *_WIDTHS), _WIDTHS, strict=False)
        )
        super().__init__(stem, stages, (1,), _WIDTHS[-1:], strides=(1,))


class FusionNetHeads(Head):
    """Per task a 3x3 convolution 256-64, a ReLU and a 1x1 convolution to a logit.

    Raises:
        UsageError: a task is not a binary segmentation task of stride 1.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        for task in spec.tasks:
            if not (isinstance(task, SegmentationTask) and task.binary and task.stride == 1):
                raise UsageError(
                    f"fusionnet solves binary segmentation tasks of stride 1, found task "
                    f"{task.name!r}; give it binary = true and stride = 1, or choose another "
                    "backbone"
                )
        self.logits = nn.ModuleDict({task.name: _classifier() for task in spec.tasks})

    def forward(self, features: Features) -> dict[str, Tensor]:
        return {name: layers(features.backbone[-1]) for name, layers in self.logits.items()}


def _classifier() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(_WIDTHS[-1], _HEAD_WIDTH, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(_HEAD_WIDTH, 1, 1),
    )
