"""One affine map for a whole sample: image, masks, boxes and keypoints stay together."""

from __future__ import annotations

import dataclasses
import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.keypoints import MIRRORED
from edge_mtl.data.sample import IGNORE, Boxes, Sample

Matrix = NDArray[np.float64]
"""(2, 3): maps x, y of a source picture to x, y of a target; pixel i covers [i, i + 1)."""

MIN_VISIBLE = 0.3
"""A box keeps its label where at least this part of its area is still in the picture."""

MIN_AREA_PX = 36.0
"""A box keeps its label where at least this much of it, 6x6 px, is still in the picture."""


def warp(sample: Sample, matrix: Matrix, size: tuple[int, int]) -> Sample:
    """Map a sample to a picture of `size` (width, height).

    The image and the planes are sampled bilinearly, after averaging where they shrink to less than
    half; masks take the nearest pixel. What lies outside the source is `IGNORE` in the masks and 0
    in the planes; in the image it is not defined until `fill_outside` covers it. A box becomes the
    upright hull of its mapped corners, cut at the picture; it is dropped where less than
    `MIN_VISIBLE` of it or `MIN_AREA_PX` remain. `Boxes.ignored` areas become hulls too, cut at the
    picture, and are dropped where nothing remains. Keypoints outside the picture become unlabelled.
    Where the map mirrors, left and right keypoints change places.
    """
    masks = {name: _warp_mask(mask, matrix, size, IGNORE) for name, mask in sample.masks.items()}
    return dataclasses.replace(
        sample,
        image=_warp_image(sample.image, matrix, size),
        masks=masks,
        boxes=None if sample.boxes is None else _warp_boxes(sample.boxes, matrix, size),
        planes={name: _warp_plane(plane, matrix, size) for name, plane in sample.planes.items()},
    )


def fill_outside(
    image: NDArray[np.uint8], source_size: tuple[int, int], matrix: Matrix, grey: int
) -> None:
    """Make everything grey, in place, that a warped image or plane shows beyond its source.

    It is what `warp` makes `IGNORE` in the masks of the same source. The edge of the picture stays
    as sharp as where a frame is resized and put on grey at run time.
    """
    height, width = image.shape[:2]
    source = np.zeros((source_size[1], source_size[0]), np.uint8)
    outside = _warp_mask(source, matrix, (width, height), 255)
    cv2.copyTo(np.full_like(image, grey), outside, image)


def _warp_mask(
    mask: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int], border: int
) -> NDArray[np.uint8]:
    warped = cv2.warpAffine(
        mask,
        _between_centres(matrix),
        size,
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(border,),
    )
    return cast("NDArray[np.uint8]", warped)


def _warp_image(
    image: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int]
) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    shrink = int(1.0 / math.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink >= 2:
        # Bilinear sampling would skip pixels: average blocks of them first.
        small = max(1, width // shrink), max(1, height // shrink)
        image = cast("NDArray[np.uint8]", cv2.resize(image, small, interpolation=cv2.INTER_AREA))
        matrix = matrix * np.array([width / small[0], height / small[1], 1.0])
    # One more pixel around keeps the edge from mixing with what is outside. BORDER_REPLICATE does
    # so too, but is several times slower where much of the target lies outside.
    framed = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] - matrix[:, :2].sum(axis=1)])
    warped = cv2.warpAffine(framed, _between_centres(matrix), size, flags=cv2.INTER_LINEAR)
    return cast("NDArray[np.uint8]", warped)


def _warp_plane(
    plane: NDArray[np.uint8], matrix: Matrix, size: tuple[int, int]
) -> NDArray[np.uint8]:
    warped = _warp_image(plane, matrix, size)
    fill_outside(warped, (plane.shape[1], plane.shape[0]), matrix, 0)
    return warped


def _warp_boxes(boxes: Boxes, matrix: Matrix, size: tuple[int, int]) -> Boxes:
    hull = _hulls(boxes.corners, matrix)
    visible = np.clip(hull, 0.0, [*size, *size])
    area, visible_area = _areas(hull), _areas(visible)
    kept = (visible_area >= MIN_VISIBLE * area) & (visible_area >= MIN_AREA_PX)
    ignored = np.clip(_hulls(boxes.ignored, matrix), 0.0, [*size, *size])
    return Boxes(
        corners=visible[kept].astype(np.float32),
        class_ids=boxes.class_ids[kept],
        keypoints=None
        if boxes.keypoints is None
        else _warp_keypoints(boxes.keypoints[kept], matrix, size),
        ignored=ignored[_areas(ignored) > 0.0].astype(np.float32),
        searched=boxes.searched,
    )


def _hulls(corners: NDArray[np.float32], matrix: Matrix) -> NDArray[np.float64]:
    """The upright bounds (N, 4) of mapped rectangles (N, 4)."""
    # (N, 4 corners, 2): x1 y1, x2 y1, x1 y2, x2 y2
    points = corners[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 4, 2) @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def _warp_keypoints(
    keypoints: NDArray[np.float32], matrix: Matrix, size: tuple[int, int]
) -> NDArray[np.float32]:
    linear, shift = matrix[:, :2], matrix[:, 2]
    if np.linalg.det(linear) < 0:
        keypoints = keypoints[:, MIRRORED]
    points = keypoints[:, :, :2] @ linear.T + shift
    inside = ((points >= 0) & (points < size)).all(axis=2)
    labelled = (keypoints[:, :, 2] > 0) & inside
    warped = np.concatenate([points, keypoints[:, :, 2:]], axis=2)
    return np.where(labelled[:, :, None], warped, 0.0).astype(np.float32)


def _areas(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    extent = corners[:, 2:] - corners[:, :2]
    return extent[:, 0] * extent[:, 1]


def _between_centres(matrix: Matrix) -> Matrix:
    """The same map between pixel indices, as OpenCV counts: the centre of pixel 0 is 0, not 0.5."""
    shift = matrix[:, :2] @ np.array([0.5, 0.5]) + matrix[:, 2] - 0.5
    return np.column_stack([matrix[:, :2], shift])
