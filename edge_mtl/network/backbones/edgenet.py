"""`EdgeNet`: plain residual convolutions, the shape that INT8 engines run fastest.

Depthwise convolutions and squeeze-excite save arithmetic but not time on integer units, and their
wide per-channel ranges lose accuracy under quantisation (Sheng et al., 2018, arXiv:1803.08607).
EdgeNet has neither: 3x3 convolutions and ReLU, as in ResNet's basic block (He et al., 2015,
arXiv:1512.03385), with the widths doubling from stage to stage.
"""

from __future__ import annotations

from torch import Tensor, nn

from edge_mtl.network.backbones.backbone import Backbone
from edge_mtl.network.layers import conv_layer

_BLOCKS = (1, 2, 2, 1)  # residual blocks at strides 4, 8, 16 and 32


class EdgeNet(Backbone):
    """width: channels at stride 2; strides 4, 8, 16, 32 have 2, 4, 8 and 10 times as many."""

    def __init__(self, width: int) -> None:
        channels = (2 * width, 4 * width, 8 * width, 10 * width)
        stages = []
        channels_in = width
        for channels_out, blocks in zip(channels, _BLOCKS, strict=True):
            down = conv_layer(channels_in, channels_out, 3, stride=2)
            stages.append(
                nn.Sequential(down, *(_ResidualBlock(channels_out) for _ in range(blocks)))
            )
            channels_in = channels_out
        super().__init__(conv_layer(3, width, 3, stride=2), stages, (0, 1, 2, 3), channels)


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_layer(channels, channels, 3)
        self.second = conv_layer(channels, channels, 3, activation="none")
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(x + self.second(self.first(x)))
        return out
