"""How far away is what a frame shows."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.canvas import FIRST_THING, Canvas, Code, Pixels, depth_code

NEAREST_M = 4.0
"""What is as near as this, or nearer, has the plane's largest value."""

_FARTHEST, BEYOND = 254, 255
"""Depth codes: of the farthest surfaces, and of the sky and of what is painted on it."""


def depth_codes(
    canvas: Canvas, codes: Pixels, first_row: int, ground_depth: NDArray[np.float32]
) -> Pixels:
    """Depth along the camera's axis, (H, W), on the scale of `depth_code`; `BEYOND` for the sky.

    Exact to that scale on the ground. Facades have one depth by column, road users and signs one
    each, trees, poles and fences the middle of a step of a factor of two.

    codes: the canvas's fourth channel. first_row, ground_depth: as `Ground.paint` gives.
    """
    table = np.zeros(256, np.uint8)
    table[: Code.ROAD] = BEYOND
    steps = np.arange(Code.TREE, FIRST_THING)
    table[steps] = steps % 8 * 32 + 16
    for thing in canvas.things:
        table[thing.code] = min(_FARTHEST, depth_code(thing.depth))
    depth: Pixels = cv2.LUT(codes, table)
    rows = (32.0 * np.log2(np.maximum(ground_depth, 1.0))).clip(0, _FARTHEST).astype(np.uint8)
    below = depth[first_row:]
    on_ground = cv2.inRange(codes[first_row:], int(Code.ROAD), int(Code.VERGE))
    cv2.copyTo(np.repeat(rows[:, None], depth.shape[1], axis=1), on_ground, below)
    columns = (-32.0 * np.log2(np.maximum(canvas.nearness, 0.004))).clip(0, _FARTHEST)
    on_facade = cv2.inRange(codes, int(Code.FACADE), int(Code.HEDGE))
    cv2.copyTo(np.repeat(columns.astype(np.uint8)[None], depth.shape[0], axis=0), on_facade, depth)
    return depth


def plane_of(depth: Pixels) -> Pixels:
    """The plane "depth" (H, W) from depth codes: `255 * NEAREST_M / metres`, rounded, at most 255.

    Inverse depth, which is what stereo measures: near is bright, and the sky, as far as the scale
    goes, is 4. No pixel is 0, which would say that its depth is not known.
    """
    plane: Pixels = cv2.LUT(depth, _INVERSE)
    return plane


_METRES = 2.0 ** (np.arange(256) / 32.0)
_INVERSE = np.minimum(np.rint(255.0 * NEAREST_M / _METRES), 255).astype(np.uint8)
