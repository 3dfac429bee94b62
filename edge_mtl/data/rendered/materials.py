"""Textures made from noise: asphalt, slabs, brick, foliage, clouds."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: float, octaves: int = 1) -> Grey:
    """Smooth noise (H, W) float32 of mean 0 and deviation about 1; `cell`: pixels a wave."""
    total = np.zeros(shape, np.float32)
    weight, power = 1.0, 0.0
    for _ in range(octaves):
        grid = max(2, round(shape[0] / cell) + 1), max(2, round(shape[1] / cell) + 1)
        coarse = rng.standard_normal(grid, dtype=np.float32)
        total += weight * cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
        power += 0.5 * weight * weight
        weight, cell = weight * 0.55, max(1.0, cell / 2)
    return total / np.float32(np.sqrt(power))


@lru_cache(maxsize=1)
def grain() -> tuple[Grey, Grey]:
    """Two tiles (512, 512) of noise for every clip: fine grain, and blotches of about a metre."""
    rng = np.random.default_rng(20)
    fine = rng.standard_normal((512, 512), dtype=np.float32)
    fine = 0.6 * fine + 0.8 * cv2.GaussianBlur(fine, (3, 3), 0)
    blotches = noise(rng, (512, 512), 48.0, 4)
    return fine, blotches


def masonry(
    rng: np.random.Generator,
    shape: tuple[int, int],
    block: tuple[int, int],
    spread: float,
    joint: float,
) -> Grey:
    """Brightness factors (H, W) of bricks or blocks of (height, width) pixels.

    spread: deviation between blocks. joint: brightness of the joints against the blocks.
    """
    rows, columns = shape[0] // block[0] + 2, shape[1] // block[1] + 2
    each = 1.0 + spread * rng.standard_normal((rows, columns), dtype=np.float32)
    big = cv2.resize(each, (columns * block[1], rows * block[0]), interpolation=cv2.INTER_NEAREST)
    big[:: block[0]] *= joint
    if block[1] > 3:
        half = block[1] // 2
        for row in range(rows):
            shift = (row % 2) * half
            big[row * block[0] : (row + 1) * block[0], shift :: block[1]] *= joint
    return np.ascontiguousarray(big[: shape[0], : shape[1]])


def coloured(colour: tuple[float, float, float], brightness: Grey) -> NDArray[np.uint8]:
    """A colour times a brightness map (H, W): (H, W, 3) uint8."""
    return np.clip(brightness[..., None] * np.array(colour, np.float32), 0, 255).astype(np.uint8)
