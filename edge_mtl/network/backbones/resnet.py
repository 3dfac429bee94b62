"""`ResNet` (He et al., 2015, arXiv:1512.03385, table 1), without its classifier."""

from __future__ import annotations

from torch import nn

from edge_mtl.network.backbones.backbone import Backbone
from edge_mtl.network.backbones.residual import BasicBlock, Bottleneck
from edge_mtl.network.layers import conv_layer

_WIDTHS = (64, 128, 256, 512)  # of basic blocks; bottlenecks give four times as many
_STEM_WIDTH = 64


class ResNet(Backbone):
    """blocks: residual blocks at strides 4, 8, 16 and 32, basic ones or bottlenecks."""

    def __init__(
        self, blocks: tuple[int, int, int, int], block: type[BasicBlock | Bottleneck] = BasicBlock
    ) -> None:
        widths = [4 * width if block is Bottleneck else width for width in _WIDTHS]
        stem = nn.Sequential(
            conv_layer(3, _STEM_WIDTH, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)
        )
        stages = []
        channels_in = _STEM_WIDTH
        for i, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = nn.Sequential()
            for j in range(count):
                stage.append(block(channels_in, width, stride=2 if i > 0 and j == 0 else 1))
                channels_in = width
            stages.append(stage)
        super().__init__(stem, stages, (0, 1, 2, 3), tuple(widths))
