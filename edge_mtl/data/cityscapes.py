"""Cityscapes (Cordts et al., 2016, arXiv:1604.01685), with its fine labels.

    ROOT/leftImg8bit/SPLIT/CITY/*_leftImg8bit.png
    ROOT/gtFine/SPLIT/CITY/*_gtFine_labelIds.png     a label id a pixel
    ROOT/gtFine/SPLIT/CITY/*_gtFine_polygons.json    the outline of every object

The layout: https://github.com/mcordts/cityscapesScripts. Cityscapes keeps the labels of its test
split to itself; nothing of it comes with this package.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.clip import boxes_in_image
from edge_mtl.data.datasets import folder_listing
from edge_mtl.data.images import read_image, read_mask
from edge_mtl.data.json_files import read_json
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError, UsageError

LABEL_IDS = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
"""The 19 classes that are trained and measured, with their ids in the files of masks."""

CLASSES = tuple(LABEL_IDS)
BOX_CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
"""Those whose objects are outlined one by one."""

_HIGHEST_ID = 33
_NOT_MEASURED = ("caravan", "trailer")
"""Vehicles that are outlined too, but are neither trained nor measured."""


class Cityscapes:
    """A split of Cityscapes: a mask "segmentation" of the 19 classes, and boxes from outlines.

    Labels other than the 19 are `IGNORE`. A box is the bounds of an object's outline, which goes on
    behind what stands in front of it. Groups (`cargroup`), caravans and trailers, which nobody
    counted, are `Boxes.ignored`.

    Raises:
        UsageError: the split is "test", whose labels are not public.
        EdgeMtlError: folders of the split are missing or empty, or an image has no labels. Taking
            a sample raises it for an unreadable file, or labels of another size than their image.
    """

    vocabulary = Vocabulary(masks={"segmentation": CLASSES}, boxes=BOX_CLASSES)

    def __init__(self, root: Path, split: str) -> None:
        if split == "test":
            raise UsageError(
                "Cityscapes does not publish the labels of its test split; take val instead"
            )
        self.name = f"cityscapes:{root}/{split}"
        self._frames = _frames(root, split)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self._frames[index]
        image = read_image(frame.image)
        size = image.shape[1], image.shape[0]
        # 255: licence plates, whose id in the definition is -1.
        mask = read_mask(frame.mask, size, [*range(_HIGHEST_ID + 1), 255])
        return Sample(
            image=image,
            name=str(frame.image),
            masks={"segmentation": cv2.LUT(mask, _TRAINED).astype(np.uint8, copy=False)},
            boxes=_boxes(frame.outlines, size),
        )


class _Frame(NamedTuple):
    image: Path
    mask: Path
    outlines: Path


class _Object(msgspec.Struct):
    label: str
    polygon: list[tuple[float, float]]
    deleted: int = 0


class _Outlines(msgspec.Struct, rename="camel"):
    img_width: int
    img_height: int
    objects: list[_Object]


def _trained() -> NDArray[np.uint8]:
    table = np.full(256, IGNORE, np.uint8)
    for class_id, label_id in enumerate(LABEL_IDS.values()):
        table[label_id] = class_id
    return table


_TRAINED = _trained()
"""By id in the files, the id of the class."""


def _boxes(path: Path, size: tuple[int, int]) -> Boxes:
    outlines = read_json(path, _Outlines)
    if (outlines.img_width, outlines.img_height) != size:
        raise EdgeMtlError(
            f"{path}: expected the outlines of an image of {size[0]}x{size[1]} px, found "
            f"{outlines.img_width}x{outlines.img_height}; fetch both again"
        )
    corners, class_ids, ignored = [], [], []
    for each in outlines.objects:
        if each.deleted or not each.polygon:
            continue
        points = np.array(each.polygon)
        # A polygon's points are pixels that belong to it, so it ends one behind the last.
        bounds = [*points.min(axis=0), *(points.max(axis=0) + 1)]
        if each.label in BOX_CLASSES:
            corners.append(bounds)
            class_ids.append(BOX_CLASSES.index(each.label))
        elif each.label.removesuffix("group") in (*BOX_CLASSES, *_NOT_MEASURED):
            ignored.append(bounds)
    return boxes_in_image(corners, class_ids, size, ignored=ignored)


def _frames(root: Path, split: str) -> list[_Frame]:
    """The files of every frame of a split, by city and name."""
    images, labels = root / "leftImg8bit" / split, root / "gtFine" / split
    for folder in (images, labels):
        if not folder.is_dir():
            raise EdgeMtlError(
                f"{root}: expected Cityscapes' folders leftImg8bit/{split}/ and gtFine/{split}/, "
                f"found {folder_listing(root)}; give the folder that holds both"
            )
    paths = sorted(images.glob("*/*_leftImg8bit.png"))
    if not paths:
        raise EdgeMtlError(
            f"{images}: expected frames CITY/*_leftImg8bit.png, found {folder_listing(images)}; "
            "put the split's frames there"
        )
    frames = []
    for path in paths:
        stem = labels / path.parent.name / path.name.removesuffix("_leftImg8bit.png")
        mask, outlines = (
            stem.with_name(f"{stem.name}_gtFine_{end}") for end in ("labelIds.png", "polygons.json")
        )
        frames.append(_Frame(path, mask, outlines))
    present = set(labels.glob("*/*"))
    missing = [file for frame in frames for file in frame[1:] if file not in present]
    if missing:
        raise EdgeMtlError(
            f"{missing[0]}: expected the labels of a frame, found none ({len(missing)} such files "
            f"of {len(frames)} frames are missing); add them or remove the frames"
        )
    return frames
