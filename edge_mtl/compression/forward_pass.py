"""`ForwardPass`: look at every activation of a network as it is made, and replace it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from edge_mtl.export.schemes import DEPTHWISE
from edge_mtl.network.network import Network

_SIDE = 64  # of the picture that a network is traced with
_OPERATORS: dict[Callable[..., Any], str] = {
    torch.Tensor.add: "Add",
    torch.Tensor.mul: "Mul",
    torch.sigmoid: "Sigmoid",
    F.relu: "Relu",
    F.hardtanh: "Clip",
    F.interpolate: "Resize",
    F.avg_pool2d: "AveragePool",
    F.max_pool2d: "MaxPool",
}
"""The ONNX operators that functions of torch become."""


class Made(NamedTuple):
    """How an activation was made.

    operator: as ONNX names it, `DEPTHWISE`, or the function's own name where it is none of
        `_OPERATORS`; empty for what the network was given. inputs: the numbers of the activations
        that it reads.
    """

    operator: str
    inputs: tuple[int, ...]


class ForwardPass(TorchFunctionMode):
    """Within `with`, one forward pass whose activations go through `activation`, and the kernels of
    its convolutions, with the name of the operator, through `weight`.

    An activation is what a convolution reads and whatever is computed from that. They are numbered
    in the order in which they are made.
    """

    def __init__(
        self,
        activation: Callable[[int, Made, Tensor], Tensor],
        weight: Callable[[str, Tensor], Tensor],
    ) -> None:
        super().__init__()
        self._activation = activation
        self._weight = weight
        self._numbers: dict[int, int] = {}  # by the id of the tensor
        self._alive: list[Tensor] = []  # so that no other tensor gets the id of one that is gone

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = _OPERATORS.get(function, function.__name__)
        if function is torch.conv2d:
            picture, weight, *rest = args
            if id(picture) not in self._numbers:
                picture = self._next(Made("", ()), picture)
            name = _convolution(weight, *rest)
            args = (picture, self._weight(name, weight), *rest)
        inputs = tuple(self._numbers[id(each)] for each in args if id(each) in self._numbers)
        result = function(*args, **(kwargs or {}))
        if inputs and isinstance(result, Tensor):
            return self._next(Made(name, inputs), result)
        return result

    def _next(self, made: Made, value: Tensor) -> Tensor:
        value = self._activation(len(self._alive), made, value)
        self._numbers[id(value)] = len(self._alive)
        self._alive.append(value)
        return value


def _convolution(weight: Tensor, *rest: Any) -> str:
    """Which operator a convolution is; `rest` are bias, stride, padding, dilation and groups."""
    return DEPTHWISE if weight.shape[1] == 1 and rest[-1] != 1 else "Conv"


def trace(network: Network) -> list[Made]:
    """Every activation of a training pass with frozen batch norms, in their order."""
    traced = copy.deepcopy(network).train()
    for module in traced.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    found: list[Made] = []

    def note(_: int, made: Made, value: Tensor) -> Tensor:
        found.append(made)
        return value

    with torch.no_grad(), ForwardPass(note, lambda _, weight: weight):
        traced(*traced.example(_SIDE, _SIDE))
    return found
