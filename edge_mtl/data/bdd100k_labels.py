"""BDD100K's JSON files: what a frame of them says, as boxes, masks and attributes.

The format: https://doc.bdd100k.com/format.html, and that of 2018
https://github.com/ucbdrive/bdd100k/blob/master/doc/format.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.clip import boxes_in_image
from edge_mtl.data.json_files import decode_json, read_json
from edge_mtl.data.poly2d import Path2d
from edge_mtl.data.sample import Boxes
from edge_mtl.errors import EdgeMtlError

BOX_CLASSES = (
    "pedestrian",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
    "traffic light",
    "traffic sign",
)
ATTRIBUTES = {
    "weather": ("clear", "partly cloudy", "overcast", "rainy", "snowy", "foggy"),
    "scene": (
        "city street",
        "highway",
        "residential",
        "parking lot",
        "gas stations",
        "tunnel",
    ),
    "timeofday": ("daytime", "dawn/dusk", "night"),
}
DRIVABLE = ("direct", "alternative", "background")
LANE_TYPES = (
    "crosswalk",
    "double other",
    "double white",
    "double yellow",
    "road curb",
    "single other",
    "single white",
    "single yellow",
    "background",
)

_RENAMED = {
    "person": "pedestrian",
    "bike": "bicycle",
    "motor": "motorcycle",
    "caravan": "car",
    "van": "car",
}
"""Names of 2018 and rare ones, as BDD100K's own evaluation maps them."""

_NOT_MEASURED = ("other person", "other vehicle", "trailer")

_LINE_SHARE = 8 / 720
"""Lanes are lines without a width; they are drawn this wide, of the image's height."""

_FARTHEST_PX = 1e4
"""OpenCV draws with 32-bit numbers: what lies farther out is drawn from here."""


class Box2d(msgspec.Struct):
    """A row of "box2d", in pixels."""

    x1: float
    y1: float
    x2: float
    y2: float


class LabelAttributes(msgspec.Struct, rename="camel"):
    """What is used of "attributes" of a label."""

    crowd: bool = False
    area_type: str | None = None
    lane_types: str | None = None


class Label(msgspec.Struct):
    """A row of "labels": an object with a box, or an area or a lane with paths."""

    category: str
    attributes: LabelAttributes | None = None
    box2d: Box2d | None = None
    poly2d: list[Path2d] | None = None


class Frame(msgspec.Struct):
    """Everything that a file says of one image."""

    attributes: dict[str, Any] | None = None
    labels: list[Label] | None = None


class _Name(msgspec.Struct):
    name: str


class FrameFile:
    """A file of frames by the name of their image without its suffix.

    A frame stays JSON until somebody asks for it: the file of 2018 holds a million labels.

    Raises:
        EdgeMtlError: the file is not a list of frames with names.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, bytes] = {}
        for number, raw in enumerate(read_json(path, list[msgspec.Raw])):
            row = bytes(raw)
            self._rows[Path(decode_json(row, _Name, f"{path}: frame {number}").name).stem] = row

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def of(self, stem: str) -> Frame | None:
        """What the file says of an image; None where it does not know it.

        Raises:
            EdgeMtlError: it is not of the format.
        """
        row = self._rows.get(stem)
        return None if row is None else decode_json(row, Frame, f"{self._path}: {stem}")


def boxes_of(frame: Frame, size: tuple[int, int], where: str) -> Boxes:
    """The boxes, in the ids of `BOX_CLASSES`. size: (width, height); where: for messages.

    Raises:
        EdgeMtlError: a box is of another category.
    """
    corners, class_ids, ignored = [], [], []
    for label in frame.labels or ():
        if label.box2d is None:
            continue
        box = msgspec.structs.astuple(label.box2d)
        name = _RENAMED.get(label.category, label.category)
        crowd = label.attributes is not None and label.attributes.crowd
        if name not in (*BOX_CLASSES, *_NOT_MEASURED):
            known = ", ".join(BOX_CLASSES)
            raise EdgeMtlError(
                f"{where}: expected boxes of {known}, found one of {name!r}; mend the label"
            )
        if crowd or name in _NOT_MEASURED:
            ignored.append(box)
        else:
            corners.append(box)
            class_ids.append(BOX_CLASSES.index(name))
    return boxes_in_image(corners, class_ids, size, ignored=ignored)


def attributes_of(frame: Frame) -> dict[str, str]:
    """The values of `ATTRIBUTES`; without those that are "undefined"."""
    given = frame.attributes or {}
    return {name: given[name] for name, known in ATTRIBUTES.items() if given.get(name) in known}


def drawn_areas(frame: Frame, size: tuple[int, int], where: str) -> NDArray[np.uint8]:
    """(H, W): the drivable areas of a frame of 2018, in the ids of `DRIVABLE`.

    Raises:
        EdgeMtlError: an area is of an unknown type or its path is damaged.
    """
    mask = np.full((size[1], size[0]), DRIVABLE.index("background"), np.uint8)
    for label in frame.labels or ():
        if label.category == "drivable area":
            kind = label.attributes.area_type if label.attributes else None
            class_id = _place(kind, DRIVABLE, where)
            for points in _pixels(label, where):
                cv2.fillPoly(mask, [points], (class_id,))
    return mask


def drawn_lanes(frame: Frame, size: tuple[int, int], where: str) -> NDArray[np.uint8]:
    """(H, W): the lanes of a frame of 2018 as lines, in the ids of `LANE_TYPES`.

    Raises:
        EdgeMtlError: a lane is of an unknown type or its path is damaged.
    """
    mask = np.full((size[1], size[0]), LANE_TYPES.index("background"), np.uint8)
    width = max(1, round(_LINE_SHARE * size[1]))
    for label in frame.labels or ():
        if label.category == "lane":
            kind = label.attributes.lane_types if label.attributes else None
            class_id = _place(kind, LANE_TYPES, where)
            for path, points in zip(label.poly2d or (), _pixels(label, where), strict=True):
                cv2.polylines(mask, [points], path.closed, (class_id,), width)
    return mask


def _place(kind: str | None, known: tuple[str, ...], where: str) -> int:
    if kind not in known:
        raise EdgeMtlError(
            f"{where}: expected one of {', '.join(known)}, found {kind!r}; mend the label"
        )
    return known.index(kind)


def _pixels(label: Label, where: str) -> Iterator[NDArray[np.int32]]:
    """The paths of a label as indices of pixels."""
    for path in label.poly2d or ():
        try:
            points = path.points()
        except ValueError as error:
            raise EdgeMtlError(f"{where}: {label.category}: {error}; mend the label") from None
        yield np.floor(np.clip(points, -_FARTHEST_PX, _FARTHEST_PX)).astype(np.int32)
