"""BDD100K (Yu et al., 2020, arXiv:1805.04687): objects, drivable areas, lanes, conditions.

    ROOT/images/100k/SPLIT/*.jpg                    or ROOT/images/SPLIT/*.jpg
    ROOT/labels/det_20/det_SPLIT.json               objects as revised in 2020
    ROOT/labels/bdd100k_labels_images_SPLIT.json    objects, areas and lanes of 2018
    ROOT/labels/drivable/masks/SPLIT/*.png          0 direct, 1 alternative, 2 background
    ROOT/labels/lane/masks/SPLIT/*.png              bits 0 to 2 the type of a lane,
                                                    3 set where there is none, 4 dashed rather
                                                    than solid, 5 across rather than along

Any one of the labels is enough; the test split has none. The format:
https://doc.bdd100k.com/format.html.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.bdd100k_labels import (
    ATTRIBUTES,
    BOX_CLASSES,
    DRIVABLE,
    LANE_TYPES,
    Frame,
    FrameFile,
    attributes_of,
    boxes_of,
    drawn_areas,
    drawn_lanes,
)
from edge_mtl.data.datasets import folder_listing
from edge_mtl.data.images import IMAGE_SUFFIXES, read_image, read_mask
from edge_mtl.data.sample import IGNORE, Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError

_TYPE_BITS, _BACKGROUND_BIT = 0b0111, 0b1000

_log = logging.getLogger(__name__)


class Bdd100k:
    """A split of BDD100K: those of its images that have any labels.

    Boxes are those of 2020 where there are some, else those of 2018 under the names of 2020;
    crowds, "other person", "other vehicle" and "trailer" are `Boxes.ignored`.

    Masks come from the PNG files or are drawn from the paths of 2018: "drivable" with the classes
    direct, alternative and background; "lane_types" with eight types and background; and "lanes"
    with background and lane, which is any type but a road curb. A class map makes others of them:
    `masks.drivable = { source = "drivable", classes = { background = "background" },
    rest = "drivable" }`.

    Attributes are weather, scene and timeofday, where they are not "undefined".

    Raises:
        EdgeMtlError: there are no images or no labels of the split, or a file of labels is
            damaged. Taking a sample raises it for an unreadable image or mask, and for labels of
            unknown categories or with damaged paths.
    """

    def __init__(self, root: Path, split: str) -> None:
        self.name = f"bdd100k:{root}/{split}"
        labels = root / "labels"
        self._revised = _frame_file(labels / "det_20" / f"det_{split}.json")
        self._first = _frame_file(labels / f"bdd100k_labels_images_{split}.json")
        self._drivable = _by_stem(labels / "drivable" / "masks" / split, (".png",))
        self._lanes = _by_stem(labels / "lane" / "masks" / split, (".png",))
        labelled = {*(self._revised or ()), *(self._first or ()), *self._drivable, *self._lanes}
        if not labelled:
            raise EdgeMtlError(
                f"{root}: expected labels of {split} in labels/det_20/, labels/drivable/masks/, "
                f"labels/lane/masks/ or labels/bdd100k_labels_images_{split}.json, found "
                f"{folder_listing(labels)}; put some of them there"
            )
        self._images = _labelled_images(root, split, labelled)
        objects = self._revised is not None or self._first is not None
        masks: dict[str, tuple[str, ...]] = {}
        if self._drivable or self._first is not None:
            masks["drivable"] = DRIVABLE
        if self._lanes or self._first is not None:
            masks |= {"lanes": ("background", "lane"), "lane_types": LANE_TYPES}
        self.vocabulary = Vocabulary(
            masks, BOX_CLASSES if objects else (), dict(ATTRIBUTES) if objects else {}
        )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        path = self._images[index]
        image = read_image(path)
        size = image.shape[1], image.shape[0]
        revised = None if self._revised is None else self._revised.of(path.stem)
        first = None if self._first is None else self._first.of(path.stem)
        objects = first if revised is None else revised
        where = f"{self.name}: {path.name}"
        return Sample(
            image=image,
            name=str(path),
            masks=self._masks(path.stem, first, size, where),
            boxes=None if objects is None else boxes_of(objects, size, where),
            attributes={} if objects is None else attributes_of(objects),
        )

    def _masks(
        self, stem: str, first: Frame | None, size: tuple[int, int], where: str
    ) -> dict[str, NDArray[np.uint8]]:
        masks = {}
        if stem in self._drivable:
            ids = (*range(len(DRIVABLE)), IGNORE)
            masks["drivable"] = read_mask(self._drivable[stem], size, ids)
        elif first is not None:
            masks["drivable"] = drawn_areas(first, size, where)
        if stem in self._lanes:
            bits = read_mask(self._lanes[stem], size, range(256))
            masks["lane_types"] = _looked_up(bits, _TYPE_OF_BITS)
        elif first is not None:
            masks["lane_types"] = drawn_lanes(first, size, where)
        if "lane_types" in masks:
            masks["lanes"] = _looked_up(masks["lane_types"], _IS_LANE)
        return masks


def _looked_up(mask: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cast("NDArray[np.uint8]", cv2.LUT(mask, table))


_BITS = np.arange(256)
_BACKGROUND = LANE_TYPES.index("background")
_TYPE_OF_BITS = np.where(_BITS & _BACKGROUND_BIT, _BACKGROUND, _BITS & _TYPE_BITS).astype(np.uint8)
_NO_LANES = [_BACKGROUND, LANE_TYPES.index("road curb")]
_IS_LANE = np.isin(_BITS, _NO_LANES, invert=True).astype(np.uint8)


def _frame_file(path: Path) -> FrameFile | None:
    return FrameFile(path) if path.is_file() else None


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder by their names without suffix, in order; none where it is missing."""
    if not folder.is_dir():
        return {}
    paths = (path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    return {path.stem: path for path in sorted(paths)}


def _labelled_images(root: Path, split: str, labelled: set[str]) -> list[Path]:
    folders = (root / "images" / "100k" / split, root / "images" / split)
    folder = next((each for each in folders if each.is_dir()), None)
    if folder is None:
        raise EdgeMtlError(
            f"{root}: expected images in images/100k/{split}/ or images/{split}/, found "
            f"{folder_listing(root / 'images')}; put them there"
        )
    images = _by_stem(folder, IMAGE_SUFFIXES)
    found = [path for stem, path in images.items() if stem in labelled]
    if not found:
        raise EdgeMtlError(
            f"{folder}: expected images that the labels of {split} name, found "
            f"{folder_listing(folder)}; put them there"
        )
    if len(found) < len(images):
        _log.warning(
            "%s: %d of %d images have no labels and are left out",
            folder,
            len(images) - len(found),
            len(images),
        )
    return found
