"""Training that knows of 8 bits: values are rounded where Q/DQ nodes will stand.

Jacob et al., 2017 (arXiv:1712.05877, section 3): in the forward pass weights and activations are
rounded to the steps that they will have, and gradients pass as if they were not.

What is rounded follows from the `Scheme` of the target by the rules of the quantiser behind
`edge_mtl.export.quantize`. The network itself stays as it is: its checkpoints are those of a float
network, and exporting one makes the graph that post-training quantisation makes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edge_mtl.compression.forward_pass import ForwardPass, Made, trace
from edge_mtl.errors import UsageError
from edge_mtl.export.schemes import DEPTHWISE, Scheme
from edge_mtl.network.network import Network

_CONVOLUTIONS = ("Conv", DEPTHWISE)
_WEIGHT_STEPS = 127  # to each side of zero
_ABSORBED = ("Relu", "Clip")  # an unsigned range that ends at zero does the same
_SAME_STEPS = ("AveragePool", "MaxPool", "Resize")  # write in the steps of what they read


class FakeQuantization(nn.Module):
    """Rounds, in every forward pass of a network within `with`, what a scheme will quantise.

        with quantization:
            raw = network(image)

    One `with` is for one pass. The network is in training mode and its batch norms are in
    evaluation mode, so that they are folded as in an export. Biases, which have 32 bits, are not
    rounded.

    In training mode this follows the ranges of the activations: the extremes of the pictures seen,
    as a calibration takes them, but older ones fade, because the weights move on.

    ranges: (S, 2) float32, lowest and highest value of every activation that is rounded.

    Args:
        scheme: what is quantised, and how.
        decay: what a pass leaves of the part of an extreme that goes beyond its own; 1 for the
            extremes of all pictures.

    Raises:
        UsageError: the network has batch norms that do not belong to a `ConvLayer`.
    """

    ranges: Tensor

    def __init__(self, network: Network, scheme: Scheme, decay: float = 0.99) -> None:
        super().__init__()
        self._made = trace(network)
        if any(each.operator == "batch_norm" for each in self._made):
            raise UsageError(
                f"quantisation-aware training folds batch norms into convolutions, and those of "
                f"{network.spec.backbone} it does not know how to; choose a backbone of our own"
            )
        self._sites = _sites(self._made, scheme)
        self._signed = scheme.signed
        self._operators = scheme.operators
        self._decay = decay
        count = 1 + max(site for site, _ in filter(None, self._sites))
        self.register_buffer("ranges", torch.zeros(count, 2))
        self._pass: ForwardPass | None = None

    def __enter__(self) -> None:
        self._pass = ForwardPass(self._rounded, self._rounded_weight)
        self._pass.__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *problem: Any) -> None:
        assert self._pass is not None
        self._pass.__exit__(*problem)  # type: ignore[no-untyped-call]
        self._pass = None

    def _rounded(self, number: int, made: Made, value: Tensor) -> Tensor:
        if number >= len(self._made) or made != self._made[number]:
            raise RuntimeError(
                f"expected the forward pass of the network with its batch norms frozen, found "
                f"{made} as step {number}"
            )
        place = self._sites[number]
        if place is None:
            return value
        site, observed = place
        value = value.float()
        if observed and self.training:
            self._observe(site, value)
        return self._fake_quantized(value, self.ranges[site])

    def _rounded_weight(self, operator: str, weight: Tensor) -> Tensor:
        return _rounded_weight(weight) if operator in self._operators else weight

    @torch.no_grad()
    def _observe(self, site: int, value: Tensor) -> None:
        low, high = value.aminmax()
        held = self.ranges[site]
        # Zero has a step of its own in every range.
        low, high = low.clamp(max=0), high.clamp(min=0)
        held[0] = low - self._decay * (low - held[0]).clamp(min=0)
        held[1] = high + self._decay * (held[1] - high).clamp(min=0)

    def _fake_quantized(self, value: Tensor, span: Tensor) -> Tensor:
        low, high = span
        if self._signed:
            scale = torch.maximum(-low, high) / 127
            zero_point, lowest, highest = torch.zeros_like(scale), -128, 127
        else:
            scale = (high - low) / 255
            zero_point, lowest, highest = (-low / scale).nan_to_num().round(), 0, 255
        scale = torch.where(scale > 0, scale, 1.0)
        return torch.fake_quantize_per_tensor_affine(
            value, scale, zero_point.int(), lowest, highest
        )


def _rounded_weight(weight: Tensor) -> Tensor:
    """A kernel (O, I, h, w) in signed 8-bit steps of each output channel."""
    largest = weight.detach().abs().amax((1, 2, 3))
    scale = torch.where(largest > 0, largest, 1.0) / _WEIGHT_STEPS
    zero_point = torch.zeros_like(scale, dtype=torch.int32)
    rounded: Tensor = torch.fake_quantize_per_channel_affine(
        weight, scale, zero_point, 0, -_WEIGHT_STEPS, _WEIGHT_STEPS
    )
    return rounded


def _sites(made: list[Made], scheme: Scheme) -> list[tuple[int, bool] | None]:
    """For each activation the number of its range and whether that is observed there; None where
    it stays float.

    As ONNX Runtime's quantiser goes through a graph: an operator's inputs are quantised and its
    output too. An activation function behind it takes the place of its output; where steps are
    signed, it would need a range of its own.
    """
    readers = [0] * len(made)
    for each in made:
        for number in each.inputs:
            readers[number] += 1
    source: dict[int, int] = {}  # by quantised activation, the one whose range it has
    for number, each in enumerate(made):
        if each.operator not in scheme.operators:
            continue
        if each.operator in _ABSORBED:
            (read,) = each.inputs
            if read not in source:
                continue
            if not scheme.signed and readers[read] == 1:
                del source[read]
        elif each.operator in _SAME_STEPS:
            (read,) = each.inputs
            if read in source and each.operator not in scheme.float_outputs:
                source[number] = source[read]
            continue
        else:
            fused = _fused(each, made, readers) if scheme.fused_sums else None
            reads = (read for read in each.inputs if read != fused)
            source.update({read: read for read in reads if read not in source})
        if each.operator not in scheme.float_outputs:
            source[number] = number
    ranges = {number: i for i, number in enumerate(sorted(set(source.values())))}
    return [
        (ranges[source[number]], source[number] == number) if number in source else None
        for number in range(len(made))
    ]


def _fused(sum_: Made, made: list[Made], readers: list[int]) -> int | None:
    """Of the inputs of a sum the one that it takes from a convolution as it is, as
    `qdq_placement.fuse_sums` has it."""
    if sum_.operator != "Add":
        return None
    alone = (
        read for read in sum_.inputs if made[read].operator in _CONVOLUTIONS and readers[read] == 1
    )
    return max(alone, default=None)
