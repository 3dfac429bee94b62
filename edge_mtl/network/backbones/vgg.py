"""`VGG` (Simonyan & Zisserman, 2014, arXiv:1409.1556, table 1), with batch norm, without its
classifier."""

from __future__ import annotations

from torch import nn

from edge_mtl.network.backbones.backbone import Backbone
from edge_mtl.network.layers import conv_layer

_WIDTHS = (64, 128, 256, 512, 512)


class VGG(Backbone):
    """layers: 3x3 convolutions at strides 1, 2, 4, 8 and 16, a max pool after each group.

    The feature at stride 32 is the last pool's, which no convolution follows.
    """

    def __init__(self, layers: tuple[int, int, int, int, int]) -> None:
        groups: list[nn.Sequential] = []
        channels_in = 3
        for width, count in zip(_WIDTHS, layers, strict=True):
            # A pool opens the group that works at its size: a group then ends in its feature.
            group = nn.Sequential(*([nn.MaxPool2d(2)] if groups else []))
            for _ in range(count):
                group.append(conv_layer(channels_in, width, 3))
                channels_in = width
            groups.append(group)
        stem, *stages = *groups, nn.Sequential(nn.MaxPool2d(2))
        super().__init__(stem, stages, (1, 2, 3, 4), (*_WIDTHS[2:], channels_in))
