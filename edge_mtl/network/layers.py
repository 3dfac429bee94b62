"""The layers that everything here is made of."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["relu", "relu6", "none"]


class ConvLayer(nn.Sequential):
    """A convolution without bias, its batch norm, and an activation that may be missing.

    In training with a frozen norm (the layer in training mode, its norm in evaluation mode) the
    norm is folded into the convolution's weights at every pass. That is the same function of the
    weights, gamma and beta, so all of them go on learning, without the norm's passes over the
    activations, forward and back: 6 to 8 % of a training step on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm = self[0], self[1]
        if (
            self.training
            and not norm.training
            # Once an export has folded the norm for good, something else stands in its place.
            and isinstance(norm, nn.BatchNorm2d)
            and isinstance(convolution, nn.Conv2d)
        ):
            x = _folded(convolution, norm, x)
        else:
            x = norm(convolution(x))
        return self[2](x) if len(self) > 2 else x


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Both at once: `conv(x, weight * s) + beta - mean * s` with `s = gamma / sqrt(var + eps)`."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return F.conv2d(
        x,
        convolution.weight * scale[:, None, None, None],
        norm.bias - norm.running_mean * scale,
        convolution.stride,
        convolution.padding,
        convolution.dilation,
        convolution.groups,
    )


def conv_layer(
    channels_in: int,
    channels_out: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: Activation = "relu",
    norm_eps: float = 1e-5,
) -> ConvLayer:
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
    return ConvLayer(*layers)


class GlobalPool(nn.Module):
    """The mean of every channel, (N, C, H, W) to (N, C, 1, 1).

    A window as large as the map: engines have that in 8 bits. A mean over axes, which torch exports
    an adaptive pool as, they compute in float, in five times the time (64 channels of 160x96).
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, (x.shape[2], x.shape[3]))
