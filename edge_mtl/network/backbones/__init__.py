"""Backbones by name; adding one is a file here and a row in `BACKBONES`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from edge_mtl.network.backbones.backbone import STRIDES, Backbone
from edge_mtl.network.backbones.edgenet import EdgeNet
from edge_mtl.network.backbones.efficientnet_lite import EfficientNetLite
from edge_mtl.network.backbones.residual import Bottleneck
from edge_mtl.network.backbones.resnet import ResNet
from edge_mtl.network.backbones.timm_model import TimmModel
from edge_mtl.network.backbones.vgg import VGG

__all__ = ["BACKBONES", "STRIDES", "TIMM", "Backbone", "make_backbone"]

BACKBONES: dict[str, Callable[[], Backbone]] = {
    "edgenet-n": partial(EdgeNet, width=16),
    "edgenet-s": partial(EdgeNet, width=24),
    "edgenet-m": partial(EdgeNet, width=32, blocks=(2, 3, 4, 2)),
    "efficientnet-lite0": partial(EfficientNetLite, variant=0),
    "efficientnet-lite1": partial(EfficientNetLite, variant=1),
    "efficientnet-lite2": partial(EfficientNetLite, variant=2),
    "resnet18": partial(ResNet, (2, 2, 2, 2)),
    "resnet34": partial(ResNet, (3, 4, 6, 3)),
    "resnet50": partial(ResNet, (3, 4, 6, 3), Bottleneck),
    "vgg11": partial(VGG, (1, 1, 2, 2, 2)),
    "vgg16": partial(VGG, (2, 2, 3, 3, 3)),
}

TIMM = "timm:"
"""What comes before the name of a network of timm's."""


def make_backbone(name: str) -> Backbone:
    """The backbone of a name, with random weights.

    name: a row of `BACKBONES`, or one of timm's behind `TIMM`.

    Raises:
        UsageError: timm does not import, or cannot give that network's features.
    """
    if name.startswith(TIMM):
        return TimmModel(name.removeprefix(TIMM))
    return BACKBONES[name]()
