"""The feature pyramid: every stride gets the context of the coarser ones (Lin et al., 2017,
arXiv:1612.03144)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from edge_mtl.network.layers import conv_layer


class FeaturePyramid(nn.Module):
    """From features of any widths at strides 4, 8, 16, 32 to as many of one width.

    Top-down by nearest neighbour, which costs a quantised engine neither range nor arithmetic.
    """

    def __init__(self, channels_in: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(conv_layer(width, channels, 1) for width in channels_in)
        self.smooth = nn.ModuleList(conv_layer(channels, channels, 3) for _ in channels_in)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        laterals = [layer(x) for layer, x in zip(self.lateral, features, strict=True)]
        outputs: list[Tensor] = []
        top: Tensor | None = None
        for lateral, smooth in zip(reversed(laterals), reversed(self.smooth), strict=True):
            if top is not None:
                lateral = lateral + F.interpolate(top, scale_factor=2.0, mode="nearest")
            # Passing the smoothed map down deepens the path from coarse to fine.
            top = smooth(lateral)
            outputs.insert(0, top)
        return outputs
