"""The residual blocks of He et al., 2015, arXiv:1512.03385, figure 5."""

from __future__ import annotations

from torch import Tensor, nn

from edge_mtl.network.layers import conv_layer


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around which the input passes.

    Where the size or the width changes, a 1x1 convolution takes the input along.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_layer(channels_in, channels_out, 3, stride=stride)
        self.second = conv_layer(channels_out, channels_out, 3, activation="none")
        self.shortcut = _shortcut(channels_in, channels_out, stride)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.shortcut(x) + self.second(self.first(x)))
        return out


class Bottleneck(nn.Module):
    """A 3x3 convolution of a quarter of the width between two 1x1 convolutions.

    The stride is at the 3x3 convolution, as in the authors' later code: the 1x1 before it then
    skips no pixel.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        inner = channels_out // 4
        self.reduce = conv_layer(channels_in, inner, 1)
        self.filter = conv_layer(inner, inner, 3, stride=stride)
        self.expand = conv_layer(inner, channels_out, 1, activation="none")
        self.shortcut = _shortcut(channels_in, channels_out, stride)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.filter(self.reduce(x))
        out: Tensor = self.activation(self.shortcut(x) + self.expand(inner))
        return out


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return conv_layer(channels_in, channels_out, 1, stride=stride, activation="none")
