"""Things cut out of a sample along its mask: what copy-paste moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.sample import IGNORE, Sample

OBJECT_MASK = "segmentation"
"""The mask that shows objects, each as a region of its class."""

_MIN_FIT = 0.7  # IoU of a box and the bounds of the region that is its object
_MIN_FILL = 0.15  # part of its box that an object fills: people with arms out, bicycles
_MARGIN_PX = 2
_MIN_THIN_PX = 40
_MIN_THIN_HEIGHT_PX = 20


@dataclass(frozen=True, slots=True)
class Cutout:
    """A thing of a sample, as it is seen there.

    box: its index among the sample's boxes; None where it has none.
    class_id: its id in the mask. window: rows and columns that hold it, and some more.
    shape: of the window, bool, the pixels of the thing.
    """

    box: int | None
    class_id: int
    window: tuple[slice, slice]
    shape: NDArray[np.bool_]

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """x1 y1 x2 y2 of the thing in the sample."""
        x, y, width, height = cv2.boundingRect(self.shape.view(np.uint8))
        x, y = x + self.window[1].start, y + self.window[0].start
        return x, y, x + width, y + height


def cutout_of_box(sample: Sample, index: int) -> Cutout | None:
    """The connected region whose bounds are the box, whichever class of the mask it has.

    The bounds tell the object from what is around it without a table of which mask class shows
    which box class. None where the sample has no mask, or no region fits (an object in pieces, or
    several that touch): nobody knows which pixels are its own.
    """
    mask = sample.masks.get(OBJECT_MASK)
    if mask is None or sample.boxes is None:
        return None
    size = mask.shape[::-1]
    corners = np.clip(sample.boxes.corners[index], 0, [*size, *size])
    # Regions that reach beyond the box, such as the road, must show that they do.
    margin = _MARGIN_PX + 0.25 * (corners[2:] - corners[:2])
    window = _window(np.concatenate([corners[:2] - margin, corners[2:] + margin]), mask)
    around = mask[window]
    origin = np.array([window[1].start, window[0].start] * 2)
    x1, y1, x2, y2 = np.maximum(np.rint(corners - origin), 0).astype(int)
    inside = np.bincount(around[y1:y2, x1:x2].ravel(), minlength=IGNORE + 1)[:IGNORE]
    total = np.bincount(around.ravel(), minlength=IGNORE + 1)[:IGNORE]
    # Labelling regions is what takes time here: the class that keeps most to the box goes first.
    for class_id in np.argsort(-inside / np.maximum(total, 1), kind="stable"):
        if inside[class_id] < max(1.0, _MIN_FILL * (x2 - x1) * (y2 - y1)):
            continue
        _, labels, stats, _ = cv2.connectedComponentsWithStats((around == class_id).view(np.uint8))
        low, extent = stats[1:, :2], stats[1:, 2:4]  # row 0 is the background
        fit = _iou(low, low + extent, corners - origin)
        if fit.max() >= _MIN_FIT:
            return Cutout(index, int(class_id), window, labels == 1 + fit.argmax())
    return None


def thin_cutouts(sample: Sample, thin_ids: Sequence[int]) -> list[Cutout]:
    """Upright regions of mask classes that have no boxes, such as poles."""
    mask = sample.masks.get(OBJECT_MASK)
    if mask is None:
        return []
    found = []
    for class_id in thin_ids:
        _, labels, stats, _ = cv2.connectedComponentsWithStats((mask == class_id).view(np.uint8))
        for label, (x, y, width, height, area) in enumerate(stats[1:], start=1):
            if area >= _MIN_THIN_PX and height >= max(_MIN_THIN_HEIGHT_PX, 2 * width):
                window = _window(np.array([x, y, x + width, y + height]), mask)
                found.append(Cutout(None, class_id, window, labels[window] == label))
    return found


def mounted(thing: Cutout, posts: Sequence[Cutout]) -> Cutout:
    """A thing together with the post that holds it up: one that it touches, and that goes on
    downwards for half of its height or more. A sign without its pole would float."""
    left, top, right, bottom = thing.bounds
    for post in posts:
        x1, y1, x2, y2 = post.bounds
        apart = x1 > right or x2 < left or y1 > bottom or y2 < bottom + 0.5 * (bottom - top)
        if apart:
            continue
        window = tuple(
            slice(min(a.start, b.start), max(a.stop, b.stop))
            for a, b in zip(thing.window, post.window, strict=True)
        )
        rows, columns = window
        own, other = (_shape_in(part, (rows, columns)) for part in (thing, post))
        if (cv2.dilate(own.view(np.uint8), np.ones((5, 5), np.uint8)).view(bool) & other).any():
            return Cutout(thing.box, thing.class_id, (rows, columns), own | other)
    return thing


def _shape_in(thing: Cutout, window: tuple[slice, slice]) -> NDArray[np.bool_]:
    rows, columns = window
    shape = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    y, x = thing.window[0].start - rows.start, thing.window[1].start - columns.start
    shape[y : y + thing.shape.shape[0], x : x + thing.shape.shape[1]] = thing.shape
    return shape


def _window(corners: NDArray[np.floating], mask: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns around a rectangle, within the picture."""
    x1, y1 = np.maximum(np.floor(corners[:2]).astype(int) - _MARGIN_PX, 0).tolist()
    x2, y2 = (np.ceil(corners[2:]).astype(int) + _MARGIN_PX).tolist()
    return slice(y1, min(y2, mask.shape[0])), slice(x1, min(x2, mask.shape[1]))


def _iou(
    low: NDArray[np.integer], high: NDArray[np.integer], box: NDArray[np.floating]
) -> NDArray[np.floating]:
    """IoU (N,) of rectangles from corners (N, 2) to corners (N, 2) with one box (4,)."""
    inner = np.maximum(np.minimum(high, box[2:]) - np.maximum(low, box[:2]), 0.0).prod(axis=1)
    areas = (high - low).prod(axis=1) + (box[2:] - box[:2]).prod()
    iou: NDArray[np.floating] = inner / np.maximum(areas - inner, 1e-6)
    return iou
