"""Images that are used again as soon as nobody holds them any more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mtl.array_pool import ArrayPool


class ImagePool:
    """An `ArrayPool` of images.

    Args:
        most: how many are remembered; more may be in use at a time.
    """

    def __init__(self, most: int = 8) -> None:
        self._pool: ArrayPool[NDArray[np.uint8]] = ArrayPool(lambda image: (image,), most)

    def take(self, height: int, width: int) -> NDArray[np.uint8]:
        """An image (height, width, 3) whose pixels are whatever was there."""
        return self._pool.take((height, width), lambda: np.empty((height, width, 3), np.uint8))
