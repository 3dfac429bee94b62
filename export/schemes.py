"""How a target wants its 8-bit network: a row a target in `SCHEMES`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_mtl.errors import unknown

_WITH_ARITHMETIC = ("Conv", "Add")
DEPTHWISE = "DepthwiseConv"
"""Stands in `Scheme.operators` for the `Conv` that has a group for every channel that it reads."""
_GATES = ("Sigmoid", "Mul")  # attention
_POOLS = ("AveragePool", "MaxPool")
_ACTIVATIONS = ("Clip", "Relu")  # unsigned ranges absorb them: they end at zero by themselves
_MOVING_ONLY = ("Concat", "Resize")  # Concat puts planes that are fused early to the picture


@dataclass(frozen=True, slots=True)
class Scheme:
    """Explicit quantisation (Q/DQ) as an engine fuses it.

    signed: int8 activations, symmetric about zero; otherwise uint8 with a zero point.
    quantized_bias: biases are int32 with the scale of input times weights; otherwise float.
    quantized_weights: weights are stored as int8; otherwise float with a Q/DQ pair of their own.
    edges: the network's input and raw outputs stay 8-bit where they are quantised, for the kernels
        to write and read.
    operators: the ONNX operators whose inputs and outputs are quantised, and `DEPTHWISE`.
    float_outputs: those among them whose outputs are quantised only where a quantised operator
        reads them: an activation in between stays next to its operator and fuses with it.
    fused_sums: an Add takes one of its inputs from the convolution before it as it is, unquantised,
        so that the two are one operation; see `qdq_placement`.
    builds: the module that builds an engine into the bundle; None where `network.onnx` is it.
    ahead_of_time: the module builds for GPUs that are not there. Otherwise an engine is built where
        the module is, and the bundle is finished on the device where it is not.
    """

    signed: bool
    quantized_bias: bool
    quantized_weights: bool
    edges: bool
    operators: tuple[str, ...]
    float_outputs: tuple[str, ...] = ()
    fused_sums: bool = False
    builds: str | None = None
    ahead_of_time: bool = False


_CPU = Scheme(
    # Unsigned: ONNX Runtime's and OpenVINO's integer kernels multiply uint8 by int8; with signed
    # activations they take 1.7 times the time.
    signed=False,
    quantized_bias=True,
    quantized_weights=True,
    edges=True,
    operators=(*_WITH_ARITHMETIC, DEPTHWISE, *_ACTIVATIONS, *_GATES, *_POOLS, *_MOVING_ONLY),
)
_TENSORRT_OPERATORS = (*_WITH_ARITHMETIC, "ConvTranspose")
_TENSORRT = Scheme(
    # TensorRT takes no zero points, and its parser refuses the DequantizeLinear of an int32 bias.
    signed=True,
    quantized_bias=False,
    quantized_weights=False,
    # The picture comes as int8: a QuantizeLinear in front would be a pass over it of its own.
    edges=True,
    operators=(*_TENSORRT_OPERATORS, DEPTHWISE),
    # Pools, Resize and Concat take what they are given; Sigmoid, Softmax and Mul are float inside.
    float_outputs=(*_TENSORRT_OPERATORS, DEPTHWISE),
    fused_sums=True,
    builds="tensorrt",
)
_TENSORRT_RTX = replace(
    _TENSORRT,
    # Measured with 1.7.1: it stores 340 times the weights of an INT8 depthwise convolution, that
    # is, it computes a dense one; see docs/tensorrt.md.
    operators=_TENSORRT_OPERATORS,
    float_outputs=_TENSORRT_OPERATORS,
    builds="tensorrt_rtx",
    ahead_of_time=True,
)

SCHEMES: dict[str, Scheme] = {
    "cpu": _CPU,
    "openvino": _CPU,
    "triton": _CPU,  # its ONNX Runtime; TensorRT's engines go there in a bundle that has some
    "tensorrt": _TENSORRT,
    "tensorrt-rtx": _TENSORRT_RTX,
}
"""By target."""


def scheme(target: str) -> Scheme:
    """The scheme of a target.

    Raises:
        UsageError: there is no such target; the nearest one is named.
    """
    if target not in SCHEMES:
        raise unknown("target", target, SCHEMES)
    return SCHEMES[target]
