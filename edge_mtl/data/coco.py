"""COCO, common objects in context (Lin et al., 2014, arXiv:1405.0312), and data in its layout.

    ROOT/annotations/instances_NAME.json         boxes and outlines of things
    ROOT/annotations/person_keypoints_NAME.json  17 keypoints of people
    ROOT/annotations/stuff_NAME.json             outlines of stuff
    ROOT/annotations/panoptic_NAME.json          things and stuff, one label a pixel,
    ROOT/annotations/panoptic_NAME/*.png         as segment ids in colours
    ROOT/NAME/*.jpg                              or ROOT/images/NAME/*.jpg

NAME is the split's, with or without the year: `train2017`, `train2014` or `train`. Any one of the
JSON files but stuff's is enough. The format: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.clip import boxes_in_image
from edge_mtl.data.coco_labels import Annotation, LabelFile, Picture, Row
from edge_mtl.data.coco_masks import paint_outlines, panoptic_mask
from edge_mtl.data.datasets import folder_listing
from edge_mtl.data.images import read_image
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError
from edge_mtl.tasks import KEYPOINTS

_YEARS = ("2017", "2014", "")
_NO_STUFF = "other"
"""The category of the stuff labels that holds all things."""


class Coco:
    """A split of COCO: boxes, keypoints where they are labelled, and a mask "segmentation".

    The classes are those of the files, by name in the order of their ids. Crowds (`iscrowd`) are
    `Boxes.ignored`. Boxes are cut at the image's edges, and keypoints, which COCO gives as the
    indices of a pixel, become its centre.

    The mask comes from the panoptic labels; where there are none, from the outlines of things,
    smaller ones over larger ones, over those of stuff. All classes of things are labelled
    everywhere, so without stuff the rest is "background"; with stuff it is `IGNORE`. There is no
    mask of more classes than a task may have (LVIS has 1203).

    Files of labels are read when this is made; what they say of an image is taken apart when its
    sample is taken.

    Raises:
        EdgeMtlError: the split's labels or images are missing, or a file is damaged. Taking a
            sample raises it for an unreadable image, an image of another size than its labels, and
            labels of unknown categories or with damaged outlines or keypoints.
    """

    def __init__(self, root: Path, split: str) -> None:
        self.name = f"coco:{root}/{split}"
        part = _part(root, split)
        self._folder = _image_folder(root, part)
        self._people = _labels(root, f"person_keypoints_{part}", Annotation)
        self._things = _labels(root, f"instances_{part}", Annotation) or self._people
        self._stuff = _labels(root, f"stuff_{part}", Annotation)
        self._panoptic = _labels(root, f"panoptic_{part}", Picture)
        files = (self._things, self._panoptic)
        named = next(file for file in files if file is not None)
        if not named.images:
            raise EdgeMtlError(f"{named.path}: expected images, found none; fetch the file again")
        self._images = named.images
        things = () if self._things is None else tuple(self._things.classes.values())
        self._box_ids = {} if self._things is None else _places(self._things)
        classes = self._mask_classes(things)
        masks = {"segmentation": classes} if len(classes) < IGNORE else {}
        self.vocabulary = Vocabulary(masks, things)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        entry = self._images[index]
        path = self._folder / entry.file_name
        image = read_image(path)
        size = image.shape[1], image.shape[0]
        if size != (entry.width, entry.height):
            raise EdgeMtlError(
                f"{path}: expected the {entry.width}x{entry.height} px that were labelled, found "
                f"{size[0]}x{size[1]}; fetch the image again"
            )
        things = None if self._things is None else self._things.of(entry.id)
        return Sample(
            image=image,
            name=str(path),
            masks={
                name: self._mask(entry.id, classes, things or [], size)
                for name, classes in self.vocabulary.masks.items()
            },
            boxes=None if things is None else self._boxes(entry.id, things, size),
        )

    def _boxes(self, image_id: int, things: list[Annotation], size: tuple[int, int]) -> Boxes:
        objects = [each for each in things if not each.iscrowd]
        keypoints = None
        if self._people is not None:
            where = self._people.where(image_id)
            people = {each.id: _keypoints(each, where) for each in self._people.of(image_id)}
            unlabelled = np.zeros((len(KEYPOINTS), 3), np.float32)
            keypoints = [people.get(each.id, unlabelled) for each in objects]
        return boxes_in_image(
            [_corners(each) for each in objects],
            [self._box_ids[each.category_id] for each in objects],
            size,
            keypoints,
            [_corners(each) for each in things if each.iscrowd],
        )

    def _mask_classes(self, things: tuple[str, ...]) -> tuple[str, ...]:
        if self._panoptic is not None:
            return tuple(self._panoptic.classes.values())
        if self._stuff is None:
            return ("background", *things)
        stuff = (name for name in self._stuff.classes.values() if name != _NO_STUFF)
        return (*things, *(name for name in stuff if name not in things))

    def _mask(
        self,
        image_id: int,
        classes: tuple[str, ...],
        things: list[Annotation],
        size: tuple[int, int],
    ) -> NDArray[np.uint8]:
        mask = np.full((size[1], size[0]), IGNORE, np.uint8)
        if self._panoptic is not None:
            for picture in self._panoptic.of(image_id):
                path = self._panoptic.path.with_suffix("") / picture.file_name
                ids = _places(self._panoptic)
                mask = panoptic_mask(path, picture.segments_info, ids, size)
            return mask
        if self._stuff is None:
            mask[:] = classes.index("background")
        else:
            stuff = self._stuff.classes.items()
            ids = {id_: classes.index(name) for id_, name in stuff if name != _NO_STUFF}
            paint_outlines(mask, self._stuff.of(image_id), ids, self._stuff.where(image_id))
        if self._things is not None:
            ids = {id_: classes.index(name) for id_, name in self._things.classes.items()}
            paint_outlines(mask, things, ids, self._things.where(image_id))
        return mask


def _part(root: Path, split: str) -> str:
    """What the split's files are called."""
    folder = root / "annotations"
    for part in (f"{split}{year}" for year in _YEARS):
        for kind in ("instances", "person_keypoints", "panoptic"):
            if (folder / f"{kind}_{part}.json").is_file():
                return part
    raise EdgeMtlError(
        f"{root}: expected COCO's labels of {split}, annotations/instances_{split}2017.json, or "
        f"person_keypoints or panoptic, found {folder_listing(folder)}; give the folder that "
        "holds annotations/"
    )


def _image_folder(root: Path, part: str) -> Path:
    for folder in (root / part, root / "images" / part):
        if folder.is_dir():
            return folder
    raise EdgeMtlError(
        f"{root}: expected the images in {part}/ or images/{part}/, found "
        f"{folder_listing(root)}; put them there"
    )


def _labels(root: Path, name: str, row: type[Row]) -> LabelFile[Row] | None:
    path = root / "annotations" / f"{name}.json"
    return LabelFile(path, row) if path.is_file() else None


def _places(file: LabelFile[Row]) -> dict[int, int]:
    """By category id, its place among the categories."""
    return {category: place for place, category in enumerate(file.classes)}


def _corners(annotation: Annotation) -> tuple[float, float, float, float]:
    left, top, width, height = annotation.bbox
    return left, top, left + width, top + height


def _keypoints(annotation: Annotation, where: str) -> NDArray[np.float32]:
    """(17, 3): x y in pixels, visibility; all zero where the annotation has none."""
    values = np.array(annotation.keypoints or [0.0] * (3 * len(KEYPOINTS)), np.float32)
    if values.size != 3 * len(KEYPOINTS):
        raise EdgeMtlError(
            f"{where}: annotation {annotation.id}: expected x y visibility of {len(KEYPOINTS)} "
            f"keypoints, found {values.size} numbers; mend the label"
        )
    return values.reshape(-1, 3) + np.array([0.5, 0.5, 0.0], np.float32)
