"""A picture to compare graphs with, made without torch: boards build engines that have none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def structured_picture(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A normalised picture (N, C, H, W) with structure at every scale.

    The same shape gives the same picture.
    """
    rng = np.random.default_rng(0)
    height, width = shape[2:]
    coarse = rng.normal(size=(*shape[:2], -(-height // 16), -(-width // 16)))
    blocks = np.repeat(np.repeat(coarse, 16, axis=2), 16, axis=3)[..., :height, :width]
    return (blocks + 0.3 * rng.normal(size=shape)).astype(np.float32)
