"""`PlaneFusion`: images beside the picture, brought to the features of its stem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from edge_mtl.network.backbones import Backbone
from edge_mtl.network.layers import conv_layer
from edge_mtl.spec import PlaneInput

_PICTURE_CHANNELS = 3
_PROBE_SIDE = 64  # of a picture that shows what a stem does


class PlaneFusion(nn.Module):
    """Fuses planes as `PlaneInput.fusion` says, early or after stems of their own.

    Early ones are concatenated with the picture, and the backbone's first convolution is widened
    for them with weights of zero (Couprie et al., 2013, arXiv:1301.3572, concatenate RGB and
    depth so). It stays where it is: weights of the backbone for pictures alone go on to load,
    ImageNet's and those of checkpoints, and mean what they meant. A stem is a convolution of the
    stride of the backbone's own, a batch norm, a ReLU, and a 1x1 convolution of zeros; what it
    gives is added (FuseNet, Hazirbas et al., 2016, adds at every stage of two encoders; a second
    encoder would cost as much as the first). A network of timm's, of which no stem is known, has
    these features added to the picture.

    backbone: widened in place, where a plane is fused early.
    """

    def __init__(self, planes: Sequence[PlaneInput], backbone: Backbone) -> None:
        super().__init__()
        self._early = [plane.name for plane in planes if plane.fusion == "early"]
        self._first = ""
        stride, channels = _stride_and_channels(backbone.stem)
        if self._early:
            self._first, convolution = _first_convolution(backbone)
            _widen(convolution, len(self._early))
        self.stems = nn.ModuleDict(
            {
                plane.name: _plane_stem(channels, stride)
                for plane in planes
                if plane.fusion == "stem"
            }
        )

    def forward(self, stem: nn.Module, image: Tensor, planes: Mapping[str, Tensor]) -> Tensor:
        """What the stem of the backbone and those of the planes give together."""
        if self._early:
            image = torch.cat([image, *(planes[name] for name in self._early)], 1)
        fused: Tensor = stem(image)
        for name, layers in self.stems.items():
            fused = fused + layers(planes[name])
        return fused

    def fitted(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of a `Network`, those of the first convolution widened where they are for
        pictures alone."""
        name = f"backbone.{self._first}.weight"
        if not self._early or name not in weights:
            return dict(weights)
        channels = _PICTURE_CHANNELS + len(self._early)
        return {**weights, name: _with_zeros(weights[name], channels)}


def _first_convolution(backbone: Backbone) -> tuple[str, nn.Conv2d]:
    return next(
        (name, module) for name, module in backbone.named_modules() if isinstance(module, nn.Conv2d)
    )


def _widen(convolution: nn.Conv2d, planes: int) -> None:
    """Let a convolution read planes after the picture, and load weights that know of none."""
    channels = convolution.in_channels + planes

    def widen_loaded(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
        name = f"{prefix}weight"
        if name in state:
            state[name] = _with_zeros(state[name], channels)

    convolution.in_channels = channels
    convolution.weight = nn.Parameter(_with_zeros(convolution.weight.detach(), channels))
    convolution.register_load_state_dict_pre_hook(widen_loaded)  # type: ignore[no-untyped-call]


def _with_zeros(weight: Tensor, channels: int) -> Tensor:
    """A kernel (O, I, h, w) that reads so many channels, those after a picture's with zeros; itself
    unless it is for pictures alone."""
    if weight.shape[1] != _PICTURE_CHANNELS:
        return weight
    outputs, inputs, *size = weight.shape
    return torch.cat([weight, weight.new_zeros(outputs, channels - inputs, *size)], 1)


def _plane_stem(channels: int, stride: int) -> nn.Sequential:
    last = nn.Conv2d(channels, channels, 1, bias=False)
    nn.init.zeros_(last.weight)
    return nn.Sequential(conv_layer(1, channels, 3, stride=stride), last)


def _stride_and_channels(stem: nn.Module) -> tuple[int, int]:
    training = stem.training
    with torch.no_grad():  # in evaluation mode, which leaves the statistics of its norms alone
        probed = stem.eval()(torch.zeros(1, _PICTURE_CHANNELS, _PROBE_SIDE, _PROBE_SIDE))
    stem.train(training)
    return _PROBE_SIDE // probed.shape[2], probed.shape[1]
