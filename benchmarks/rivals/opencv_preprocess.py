"""Camera frame to engine input with OpenCV: letterbox, then `blobFromImage` or a lookup table."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tensor_spec import TensorSpec


class _Letterbox:
    """Resizes frames into the middle of a padded picture, without a copy of its own."""

    def __init__(self, network_input: InputSpec, placement: Placement) -> None:
        shape = network_input.height, network_input.width, 3
        self._canvas = np.full(shape, network_input.pad, np.uint8)
        self._size = placement.width, placement.height
        x, y = placement.x, placement.y
        self._inside = self._canvas[y : y + placement.height, x : x + placement.width]

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        cv2.resize(frame, self._size, dst=self._inside)
        return self._canvas


class BlobPreprocess:
    """`cv2.dnn.blobFromImage` for mean and planes, NumPy for the deviations and 8 bits."""

    def __init__(self, network_input: InputSpec, placement: Placement, tensor: TensorSpec) -> None:
        self._letterbox = _Letterbox(network_input, placement)
        self._tensor = tensor
        self._mean = [255 * mean for mean in network_input.mean]
        step = 1.0 if tensor.dtype == "float32" else tensor.scale
        self._gain = np.array([1 / (step * std) for std in network_input.std], np.float32)
        self._gain = self._gain.reshape(1, 3, 1, 1)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[Any]:
        padded = self._letterbox(frame)
        blob = cv2.dnn.blobFromImage(padded, 1 / 255, mean=self._mean, swapRB=True)
        blob *= self._gain
        if self._tensor.dtype == "float32":
            return np.asarray(blob)
        np.rint(blob, out=blob)
        blob += self._tensor.zero_point
        np.clip(blob, 0, 255, out=blob)
        return np.asarray(blob.astype(np.uint8))


class TablePreprocess:
    """For 8 bits the fastest that was found with OpenCV: a table by channel, then `split`."""

    def __init__(self, network_input: InputSpec, placement: Placement, tensor: TensorSpec) -> None:
        self._letterbox = _Letterbox(network_input, placement)
        table = reference.pixel_table(network_input, tensor)[::-1]  # to blue, green, red
        self._table = np.ascontiguousarray(table.T.reshape(1, 256, 3))
        self._out = np.empty(tensor.shape, np.uint8)
        self._planes = [self._out[0, channel] for channel in (2, 1, 0)]

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        cv2.split(cv2.LUT(self._letterbox(frame), self._table), self._planes)
        return self._out
