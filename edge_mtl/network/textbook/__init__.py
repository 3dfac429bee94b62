"""Whole networks out of textbooks, by name; adding one is a file here and a row in `TEXTBOOKS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from edge_mtl.network.backbones import Backbone
from edge_mtl.network.heads import Head
from edge_mtl.network.textbook.fusionnet import FusionNetHeads, FusionNetTrunk
from edge_mtl.network.textbook.multitask_cnn import MultitaskCnnHeads, MultitaskCnnTrunk
from edge_mtl.spec import ModelSpec


class Textbook(NamedTuple):
    """A network without a feature pyramid: its shared trunk, and the heads of a spec's tasks on
    it, which refuse tasks that it is not made for with a `UsageError`."""

    trunk: Callable[[], Backbone]
    heads: Callable[[ModelSpec], Head]


TEXTBOOKS = {
    "fusionnet": Textbook(FusionNetTrunk, FusionNetHeads),
    "multitask-cnn": Textbook(MultitaskCnnTrunk, MultitaskCnnHeads),
}
"""By `ModelSpec.backbone`, which names the whole network."""
