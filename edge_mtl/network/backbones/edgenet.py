"""`EdgeNet`: plain residual convolutions, the shape that INT8 engines run fastest.

Depthwise convolutions and squeeze-excite save arithmetic but not time on integer units, and their
wide per-channel ranges lose accuracy under quantisation (Sheng et al., 2018, arXiv:1803.08607).
EdgeNet has neither: 3x3 convolutions and ReLU, in ResNet's basic block, with the widths doubling
from stage to stage.
"""

from __future__ import annotations

from torch import nn

from edge_mtl.network.backbones.backbone import STEM, STRIDES, Backbone
from edge_mtl.network.backbones.residual import BasicBlock
from edge_mtl.network.layers import conv_layer


class EdgeNet(Backbone):
    """width: channels at stride 2; strides 4, 8, 16, 32 have 2, 4, 8 and 10 times as many.
    blocks: residual blocks at strides 4, 8, 16 and 32."""

    def __init__(self, width: int, blocks: tuple[int, int, int, int] = (1, 2, 2, 1)) -> None:
        channels = (2 * width, 4 * width, 8 * width, 10 * width)
        stages = []
        channels_in = width
        for channels_out, count in zip(channels, blocks, strict=True):
            down = conv_layer(channels_in, channels_out, 3, stride=2)
            residual = (BasicBlock(channels_out, channels_out) for _ in range(count))
            stages.append(nn.Sequential(down, *residual))
            channels_in = channels_out
        super().__init__(
            conv_layer(3, width, 3, stride=2),
            stages,
            (STEM, 0, 1, 2, 3),
            (width, *channels),
            strides=(2, *STRIDES),
        )
