"""The one layer that everything here is made of: convolution, batch norm, activation."""

from __future__ import annotations

from typing import Literal

from torch import nn

Activation = Literal["relu", "relu6", "none"]


def conv_layer(
    channels_in: int,
    channels_out: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: Activation = "relu",
    norm_eps: float = 1e-5,
) -> nn.Sequential:
    """Convolution without bias, batch norm and an activation that clips at zero or not at all.

    The padding keeps H and W at stride 1 and halves even ones at stride 2. Only ReLU and ReLU6 are
    offered: their ranges are known to a quantiser and fuse into the convolution in every engine.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(
            channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(channels_out, eps=norm_eps),
    ]
    if activation == "relu":
        layers.append(nn.ReLU(inplace=True))
    elif activation == "relu6":
        layers.append(nn.ReLU6(inplace=True))
    return nn.Sequential(*layers)
