"""Images that are used again as soon as nobody holds them any more."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray


class ImagePool:
    """Spares a stream the allocation of every frame, which for large ones costs page faults.

    Whoever has an image of the pool, or a view of one, owns it for as long as he keeps it: what is
    given out again is only what no reference leads to but the pool's own. One thread uses a pool.

    Args:
        most: how many are remembered; more may be in use at a time.
    """

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._images: list[NDArray[np.uint8]] = []
        # As the interpreter at hand counts where only the pool has an image.
        self._alone = self._references([np.empty((1, 1, 3), np.uint8)], 0)

    def take(self, height: int, width: int) -> NDArray[np.uint8]:
        """An image (height, width, 3) whose pixels are whatever was there."""
        for index in range(len(self._images)):
            if (
                self._images[index].shape[:2] == (height, width)
                and self._references(self._images, index) == self._alone
            ):
                return self._images[index]
        image = np.empty((height, width, 3), np.uint8)
        if len(self._images) == self._most:
            # The oldest: after a change of resolution those of the old size go first.
            del self._images[0]
        self._images.append(image)
        return image

    @staticmethod
    def _references(images: list[NDArray[np.uint8]], index: int) -> int:
        return sys.getrefcount(images[index])
