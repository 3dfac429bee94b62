"""Where samples lie between those of a grid, and bilinear blending in whole-number weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 11
"""What weights of logits are parts of."""
PIXEL_ONE = 1 << 7
"""What weights of pixels are parts of: one that is blended in one direction fits into 16 bits."""


class Taps(NamedTuple):
    """Sample i lies `weight[i] / one` of the way from sample `lower[i]` to `upper[i]`."""

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    weight: NDArray[np.int64]
    one: int = ONE


def linear_taps(
    count: int, start: int, extent: int, whole: int, cells: int, one: int = ONE
) -> Taps:
    """Where `count` even samples of one axis fall in a grid of `cells`.

    The samples fill [start, start + extent) of an axis of length `whole`; the grid fills all of
    it. Every sample and cell stands for its own centre; beyond the outermost centres the edge
    goes on.
    """
    odd = 2 * np.arange(count, dtype=np.int64) + 1
    numerator = (2 * start * count + odd * extent) * cells - count * whole
    denominator = 2 * count * whole
    position = (2 * one * numerator + denominator) // (2 * denominator)  # to the nearest 1 / one
    position = position.clip(0, (cells - 1) * one)
    lower = position // one
    return Taps(lower, np.minimum(lower + 1, cells - 1), position % one, one)


def blend(values: NDArray[Any], taps: Taps, axis: int) -> NDArray[Any]:
    """Blend neighbours along `axis`: `taps.one` times the linear interpolation."""
    shape = [1] * values.ndim
    shape[axis] = -1
    weight = taps.weight.reshape(shape).astype(values.dtype)
    lower, upper = values.take(taps.lower, axis), values.take(taps.upper, axis)
    blended: NDArray[Any] = lower * (values.dtype.type(taps.one) - weight) + upper * weight
    return blended
