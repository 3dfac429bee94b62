"""Camera frame to engine input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference.taps import PIXEL_ONE, blend, linear_taps
from edge_mtl.spec import InputSpec
from edge_mtl.tensor_spec import TensorSpec


def pixel_table(network_input: InputSpec, tensor: TensorSpec) -> NDArray[Any]:
    """(3, 256) in the tensor's dtype: what the engine gets for every 8-bit value of R, G and B.

    Of float16 tensors the nearest, halves to even. For 8-bit tensors as ONNX's QuantizeLinear does
    it: in float32, halves to even, saturated.
    """
    table = network_input.normalization()
    if not tensor.quantised:
        return table.astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    steps = np.rint(table / np.float32(tensor.scale)) + tensor.zero_point
    quantised: NDArray[Any] = steps.clip(limits.min, limits.max).astype(tensor.dtype)
    return quantised


def pixel_lines(network_input: InputSpec, tensor: TensorSpec) -> list[tuple[float, float]]:
    """By channel the gain and the offset of the line through `pixel_table`, before it is rounded to
    the tensor's type: kernels compute it where that gives the table's values."""
    scale, zero_point = (tensor.scale, tensor.zero_point) if tensor.quantised else (1.0, 0)
    return [
        (gain / scale, offset / scale + zero_point)
        for gain, offset in zip(*network_input.line(), strict=True)
    ]


def preprocess(
    frame: NDArray[np.uint8],
    placement: Placement,
    network_input: InputSpec,
    tensor: TensorSpec,
) -> NDArray[Any]:
    """Turn a camera frame into the engine's input.

    frame: (H, W, 3) uint8 BGR. Returns (1, 3, height, width) in the tensor's dtype, planar RGB,
    `network_input.pad` outside the placement's rectangle.

    Bilinear at any scale: shrinking by more than two skips pixels, as OpenCV's INTER_LINEAR does.
    """
    frame_height, frame_width = frame.shape[:2]
    rows = linear_taps(placement.height, 0, 1, 1, frame_height, PIXEL_ONE)
    columns = linear_taps(placement.width, 0, 1, 1, frame_width, PIXEL_ONE)
    blended = blend(blend(frame.astype(np.int64), rows, 0), columns, 1)
    pixels = (blended + PIXEL_ONE**2 // 2) // PIXEL_ONE**2

    canvas = np.full((3, network_input.height, network_input.width), network_input.pad, np.uint8)
    y, x = placement.y, placement.x
    rgb = pixels[:, :, ::-1].transpose(2, 0, 1)
    canvas[:, y : y + placement.height, x : x + placement.width] = rgb
    table = pixel_table(network_input, tensor)
    return np.stack([table[c][canvas[c]] for c in range(3)])[None]
