"""`Head`: from the features to the raw outputs of one or more tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from edge_mtl.network.features import Features


class Head(nn.Module, ABC):
    """strides: the levels of the pyramid that the head reads; none where it reads what the
    backbone itself gives."""

    strides: tuple[int, ...] = ()

    @abstractmethod
    def forward(self, features: Features) -> dict[str, Tensor]:
        """Raw outputs (N, C, h, w) by the name of their tensor in the spec."""


def bias_of(layer: nn.Conv2d) -> Tensor:
    """The bias of a convolution that has one."""
    assert layer.bias is not None
    return layer.bias
