"""What a network costs, whatever runs it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from edge_mtl.network.network import Network


@dataclass(frozen=True, slots=True)
class Cost:
    """parameters: weights that are trained. macs: multiply-accumulates of the convolutions for one
    picture of the spec's size, which are all but a few hundredths of the arithmetic."""

    parameters: int
    macs: int

    @staticmethod
    def of(network: Network) -> Cost:
        counted = copy.deepcopy(network).eval()
        macs = 0

        def count(layer: nn.Module, _: Any, output: Tensor) -> None:
            nonlocal macs
            assert isinstance(layer, nn.Conv2d)
            macs += output.numel() * layer.weight[0].numel()

        for module in counted.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(count)
        with torch.no_grad():
            counted(*counted.example(*network.spec.input.size))
        return Cost(sum(each.numel() for each in counted.parameters()), macs)
