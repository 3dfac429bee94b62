"""The feature pyramid: every stride gets the context of the coarser ones (Lin et al., 2017,
arXiv:1612.03144)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from edge_mtl.network.backbones import STRIDES
from edge_mtl.network.layers import conv_layer


class FeaturePyramid(nn.Module):
    """From features of any widths at strides 4, 8, 16, 32 to features of one width.

    Top-down by nearest neighbour, which costs a quantised engine neither range nor arithmetic.

    channels_in: of the features. finest: the finest stride that anybody reads; the pyramid ends
        there.
    """

    def __init__(self, channels_in: Sequence[int], channels: int, finest: int = STRIDES[0]) -> None:
        super().__init__()
        self.strides = STRIDES[STRIDES.index(finest) :]
        used = channels_in[-len(self.strides) :]
        self.lateral = nn.ModuleList(conv_layer(width, channels, 1) for width in used)
        self.smooth = nn.ModuleList(conv_layer(channels, channels, 3) for _ in used)

    def forward(self, features: Sequence[Tensor]) -> dict[int, Tensor]:
        """By stride, (N, channels, h, w), coarsest first."""
        outputs: dict[int, Tensor] = {}
        top: Tensor | None = None
        for stride, x, lateral, smooth in zip(
            reversed(self.strides),
            reversed(features[-len(self.strides) :]),
            reversed(self.lateral),
            reversed(self.smooth),
            strict=True,
        ):
            level = lateral(x)
            if top is not None:
                level = level + F.interpolate(top, scale_factor=2.0, mode="nearest")
            # Passing the smoothed map down deepens the path from coarse to fine.
            top = outputs[stride] = smooth(level)
        return outputs
