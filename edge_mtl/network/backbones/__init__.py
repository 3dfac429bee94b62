"""Backbones by name; adding one is a file here and a row in `BACKBONES`."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial

from edge_mtl.errors import UsageError
from edge_mtl.network.backbones.backbone import Backbone
from edge_mtl.network.backbones.edgenet import EdgeNet
from edge_mtl.network.backbones.efficientnet_lite import EfficientNetLite0

STRIDES = (4, 8, 16, 32)
"""The strides of the features that every backbone gives."""

BACKBONES: dict[str, Callable[[], Backbone]] = {
    "edgenet-n": partial(EdgeNet, width=16),
    "edgenet-s": partial(EdgeNet, width=24),
    "efficientnet-lite0": EfficientNetLite0,
}


def make_backbone(name: str) -> Backbone:
    """The backbone of a name, with random weights.

    Raises:
        UsageError: there is none of that name; the nearest one is named.
    """
    if name not in BACKBONES:
        near = difflib.get_close_matches(name, BACKBONES, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"unknown backbone {name!r}; did you mean {near!r}? Known: {', '.join(BACKBONES)}"
        )
    return BACKBONES[name]()
