"""COCO's files of labels: who is labelled in which image, read without taking them all apart.

The format: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edge_mtl.data.json_files import decode_json, read_json
from edge_mtl.errors import EdgeMtlError


class Image(msgspec.Struct):
    """A row of "images"."""

    id: int
    file_name: str
    width: int
    height: int


class RunLengths(msgspec.Struct):
    """A mask by the lengths of its runs down the columns, as numbers or as COCO packs them."""

    size: tuple[int, int]
    counts: str | list[int]


class Annotation(msgspec.Struct):
    """A row of "annotations" of things, people or stuff: one object or crowd.

    bbox: left, top, width, height. segmentation: polygons x0 y0 x1 y1 ..., or runs.
    keypoints: x y visibility of each keypoint.
    """

    id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0
    area: float = 0.0
    segmentation: RunLengths | list[list[float]] | None = None
    keypoints: list[float] | None = None

    @property
    def category_ids(self) -> tuple[int, ...]:
        return (self.category_id,)


class Segment(msgspec.Struct):
    """A region of a panoptic picture; id: its colour, R + 256 G + 65536 B."""

    id: int
    category_id: int


class Picture(msgspec.Struct):
    """A row of "annotations" of panoptic labels: one PNG of segments."""

    file_name: str
    segments_info: list[Segment]

    @property
    def category_ids(self) -> tuple[int, ...]:
        return tuple(segment.category_id for segment in self.segments_info)


Row = TypeVar("Row", Annotation, Picture)


class _Category(msgspec.Struct):
    id: int
    name: str


class _Contents(msgspec.Struct):
    images: list[Image]
    annotations: list[msgspec.Raw]
    categories: list[_Category]


class _Owner(msgspec.Struct):
    image_id: int


class LabelFile(Generic[Row]):
    """One file of labels, whose rows are of type `Row`.

    images: of the whole split, with or without labels. classes: by category id, in its order.

    A row stays JSON until somebody asks for its image: all the outlines of COCO as Python objects
    would take gigabytes, in every process that loads data.
    """

    def __init__(self, path: Path, row: type[Row]) -> None:
        self.path = path
        self._row: type[Row] = row
        contents = read_json(path, _Contents)
        self.images = contents.images
        by_id = sorted(contents.categories, key=lambda category: category.id)
        self.classes = {category.id: category.name for category in by_id}
        rows: defaultdict[int, list[bytes]] = defaultdict(list)
        for number, raw in enumerate(contents.annotations):
            row_json = bytes(raw)
            owner = decode_json(row_json, _Owner, f"{path}: annotation {number}")
            rows[owner.image_id].append(row_json)
        self._rows = dict(rows)

    def of(self, image_id: int) -> list[Row]:
        """The labels of an image.

        Raises:
            EdgeMtlError: they are not of the format, or of a category that the file lacks.
        """
        where = self.where(image_id)
        rows = [decode_json(row, self._row, where) for row in self._rows.get(image_id, ())]
        used: Iterable[int] = (id_ for row in rows for id_ in row.category_ids)
        unknown = next((id_ for id_ in used if id_ not in self.classes), None)
        if unknown is not None:
            raise EdgeMtlError(
                f"{where}: expected one of the {len(self.classes)} categories of the file, "
                f"found {unknown}; mend the label"
            )
        return rows

    def where(self, image_id: int) -> str:
        """What to call the labels of an image in messages."""
        return f"{self.path}: image {image_id}"
