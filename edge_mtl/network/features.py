"""`Features`: what the heads see of a batch of pictures."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Features(NamedTuple):
    """backbone: the backbone's own features, finest first, each of its own width.
    pyramid: what the neck makes of them, all of one width, by stride; nothing in a network whose
        heads read the backbone.
    """

    backbone: list[Tensor]
    pyramid: dict[int, Tensor]
