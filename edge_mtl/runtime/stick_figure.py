"""Draws poses as stick figures: limbs coloured by side, joints as dots."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.scene import Poses

MIN_SCORE = 0.5
"""A keypoint that is less sure to be seen is not drawn, nor are the limbs that end in it."""

Colour: TypeAlias = tuple[int, int, int]

# B, G, R: a warm colour on the person's left, a cold one on the right.
_LEFT, _RIGHT, _MIDDLE, _EDGE = (60, 165, 255), (255, 200, 40), (235, 235, 235), (24, 24, 24)

_LIMBS: tuple[tuple[str, str, Colour], ...] = (
    ("left_shoulder", "right_shoulder", _MIDDLE),
    ("left_hip", "right_hip", _MIDDLE),
    ("left_shoulder", "left_hip", _LEFT),
    ("right_shoulder", "right_hip", _RIGHT),
    ("left_shoulder", "left_elbow", _LEFT),
    ("right_shoulder", "right_elbow", _RIGHT),
    ("left_elbow", "left_wrist", _LEFT),
    ("right_elbow", "right_wrist", _RIGHT),
    ("left_hip", "left_knee", _LEFT),
    ("right_hip", "right_knee", _RIGHT),
    ("left_knee", "left_ankle", _LEFT),
    ("right_knee", "right_ankle", _RIGHT),
    ("nose", "left_eye", _LEFT),
    ("nose", "right_eye", _RIGHT),
    ("left_eye", "left_ear", _LEFT),
    ("right_eye", "right_ear", _RIGHT),
    ("left_ear", "left_shoulder", _LEFT),
    ("right_ear", "right_shoulder", _RIGHT),
)

_EDGED_PX = 80  # poses from this size on get dark edges; smaller ones would be nothing else

_SHIFT = 4  # OpenCV takes positions in 1 / 2^_SHIFT of a pixel
_FAR = 2**15  # pixels; points farther out could not be told from those at the limit


def draw_poses(image: NDArray[np.uint8], poses: Poses) -> None:
    """Draw every pose onto `image`, (H, W, 3) uint8 BGR, the surest last, so that it lies on top.

    Limbs join COCO's keypoints by their names; keypoints of other names are dots alone. Lines and
    dots grow with the pose.
    """
    limbs = limbs_of(poses.keypoints)
    colours = [colour_of(name) for name in poses.keypoints]
    for points, scores in zip(poses.points[::-1], poses.scores[::-1], strict=True):
        _draw_pose(image, points, scores >= MIN_SCORE, limbs, colours)


def limbs_of(keypoints: Sequence[str]) -> list[tuple[int, int, Colour]]:
    """The pairs of keypoints that are joined, by their indices, with the colour in B, G, R."""
    at = {name: index for index, name in enumerate(keypoints)}
    return [(at[a], at[b], colour) for a, b, colour in _LIMBS if a in at and b in at]


def colour_of(keypoint: str) -> Colour:
    """The colour of a joint in B, G, R."""
    side = keypoint.partition("_")[0]
    return {"left": _LEFT, "right": _RIGHT}.get(side, _MIDDLE)


def _draw_pose(
    image: NDArray[np.uint8],
    points: NDArray[np.float32],
    seen: NDArray[np.bool_],
    limbs: list[tuple[int, int, Colour]],
    colours: list[Colour],
) -> None:
    if not seen.any():
        return
    size = float(np.ptp(points[seen].clip(-_FAR, _FAR), axis=0).max())
    edged = size >= _EDGED_PX
    width = max(1, round(size / 120))
    fixed = np.rint((points.clip(-_FAR, _FAR) - 0.5) * 2**_SHIFT).astype(np.int32)

    lines: dict[Colour, list[NDArray[np.int32]]] = {}
    for start, end, colour in limbs:
        if seen[start] and seen[end]:
            lines.setdefault(colour, []).append(fixed[[start, end]])
    if edged:
        every = list(chain.from_iterable(lines.values()))
        cv2.polylines(image, every, False, _EDGE, width + 2, cv2.LINE_AA, _SHIFT)
    for colour, of_colour in lines.items():
        cv2.polylines(image, of_colour, False, colour, width, cv2.LINE_AA, _SHIFT)

    radius = round(max(1.0, size / 110) * 2**_SHIFT)
    for index in np.flatnonzero(seen).tolist():
        centre = fixed[index].tolist()
        if edged:
            outside = radius + 2**_SHIFT
            cv2.circle(image, centre, outside, _EDGE, cv2.FILLED, cv2.LINE_AA, _SHIFT)
        cv2.circle(image, centre, radius, colours[index], cv2.FILLED, cv2.LINE_AA, _SHIFT)
