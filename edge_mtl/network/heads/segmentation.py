"""`SegmentationHeads`: the logits of every pixel, or of every few of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from edge_mtl.network.backbones import STRIDES
from edge_mtl.network.features import Features
from edge_mtl.network.heads.head import Head
from edge_mtl.network.layers import conv_layer
from edge_mtl.tasks import SegmentationTask

_DOUBLED = 1  # the place in the narrow path where it reaches stride 2
_FINER_SHARE = 4  # of the trunk's width beyond the pyramid, where a map has four times the cells


class SegmentationHeads(Head):
    """All segmentation tasks of one stride: a shared trunk and one 1x1 convolution a task.

    Below the pyramid's finest stride the trunk works there, and a narrow path doubles its size. At
    stride 2 it takes in the backbone's feature of that stride, where it gives one: poles and limbs
    are thinner than the cells of the pyramid (the skip of U-Net, Ronneberger et al., 2015,
    arXiv:1505.04597, added and not joined, which costs less).

    channels: of the pyramid. detail: of the backbone's feature at stride 2; None where there is
        none.
    """

    def __init__(
        self, tasks: Sequence[SegmentationTask], channels: int, detail: int | None = None
    ) -> None:
        super().__init__()
        stride = max(tasks[0].stride, STRIDES[0])
        self.strides = (stride,)
        self.trunk = nn.Sequential(
            conv_layer(channels, channels, 3), conv_layer(channels, channels, 3)
        )
        self.finer = nn.Sequential()
        self.detail: nn.Module | None = None
        if tasks[0].stride < stride:
            narrow = max(8, channels // _FINER_SHARE)
            self.finer.append(conv_layer(channels, narrow, 1))
            channels = narrow
            if detail is not None:
                self.detail = conv_layer(detail, narrow, 1)
        while stride > tasks[0].stride:
            stride //= 2
            self.finer.append(nn.Upsample(scale_factor=2.0, mode="nearest"))
            self.finer.append(conv_layer(channels, channels, 3))
        self.logits = nn.ModuleDict({task.name: logits_layer(task, channels) for task in tasks})

    def forward(self, features: Features) -> dict[str, Tensor]:
        shared = self.trunk(features.pyramid[self.strides[0]])
        for i, layer in enumerate(self.finer):
            shared = layer(shared)
            if i == _DOUBLED and self.detail is not None:
                shared = shared + self.detail(features.backbone[0])
        return {name: layer(shared) for name, layer in self.logits.items()}


def logits_layer(task: SegmentationTask, channels: int) -> nn.Conv2d:
    """From features of so many channels to the logits of a task."""
    return nn.Conv2d(channels, 1 if task.binary else len(task.classes), 1)
