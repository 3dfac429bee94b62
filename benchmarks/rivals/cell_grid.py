"""Where the cells of all levels lie, one level after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class CellGrid:
    """The cells of `strides` over an input of `size` (width, height).

    spans: by stride, the first cell and the one after the last.
    stride: (N,) float32. centre: (N, 2) float32, x and y in pixels of the input.
    """

    def __init__(self, strides: tuple[int, ...], size: tuple[int, int]) -> None:
        self.spans: dict[int, tuple[int, int]] = {}
        steps, centres = [], []
        first = 0
        for stride in strides:
            rows, columns = size[1] // stride, size[0] // stride
            self.spans[stride] = first, first + rows * columns
            first += rows * columns
            y, x = np.indices((rows, columns), np.float32).reshape(2, -1)
            centres.append((np.stack([x, y], 1) + np.float32(0.5)) * np.float32(stride))
            steps.append(np.full(rows * columns, stride, np.float32))
        self.stride: NDArray[np.float32] = np.concatenate(steps)
        self.centre: NDArray[np.float32] = np.concatenate(centres)
