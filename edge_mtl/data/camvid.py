"""CamVid, the Cambridge-driving labelled video database (Brostow et al., 2009).

Read in the public layout of the SegNet tutorial, with its 11 classes:

    ROOT/train/*.png          frames (.jpg and .jpeg too)
    ROOT/trainannot/*.png     masks of the same names, one class id a pixel
    ROOT/val, ROOT/valannot, ROOT/test, ROOT/testannot

CamVid is for research only; nothing of it comes with this package.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.datasets import folder_listing
from edge_mtl.data.images import IMAGE_SUFFIXES, read_image, read_mask
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError

CLASSES = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
)
UNLABELLED = len(CLASSES)
"""The id of a pixel that nobody labelled, in the files; `IGNORE` in the samples."""

BOX_CLASSES = {
    "car": "Car",
    "pedestrian": "Pedestrian",
    "cyclist": "Bicyclist",
    "sign": "SignSymbol",
}
"""By box class, the mask class whose connected components make its boxes."""

MIN_BOX_AREA_PX = 40
"""Components of fewer pixels than this are specks of the labelling rather than objects."""


class CamVid:
    """A split of CamVid: a mask named "segmentation", and boxes derived from them.

    CamVid has no boxes of its own. These are derived: the bounds of the 8-connected components of
    at least `MIN_BOX_AREA_PX` pixels of Car, Pedestrian, Bicyclist and SignSymbol. Objects of one
    class that touch in the picture merge into one box, and an object behind a pole may give two.

    Files are found when this is made and read when a sample is taken.

    Raises:
        EdgeMtlError: a folder of the split is missing or empty, or an image has no mask. Taking a
            sample raises it for an unreadable file, or a mask with unknown ids or of another size
            than its image.
    """

    vocabulary = Vocabulary(masks={"segmentation": CLASSES}, boxes=tuple(BOX_CLASSES))

    def __init__(self, root: Path, split: str) -> None:
        self.name = f"camvid:{root}/{split}"
        self._pairs = _pairs(root, split)

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        image_path, mask_path = self._pairs[index]
        image = read_image(image_path)
        size = (image.shape[1], image.shape[0])
        mask = read_mask(mask_path, size, range(UNLABELLED + 1))
        boxes = boxes_from_mask(mask)
        mask[mask == UNLABELLED] = IGNORE
        return Sample(image=image, name=str(image_path), masks={"segmentation": mask}, boxes=boxes)


def boxes_from_mask(mask: NDArray[np.uint8]) -> Boxes:
    """The bounds of the connected components of every class of `BOX_CLASSES` in a (H, W) mask."""
    corners: list[NDArray[np.int32]] = [np.zeros((0, 4), np.int32)]
    class_ids: list[int] = []
    for class_id, mask_class in enumerate(BOX_CLASSES.values()):
        region = (mask == CLASSES.index(mask_class)).view(np.uint8)
        # Labelling components takes several times longer than finding where to look for them.
        x, y, width, height = cv2.boundingRect(region)
        if width * height < MIN_BOX_AREA_PX:
            continue
        part = region[y : y + height, x : x + width]
        _, _, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
        objects = stats[1:]  # row 0 is the background
        objects = objects[objects[:, cv2.CC_STAT_AREA] >= MIN_BOX_AREA_PX]
        left_top = objects[:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]] + [x, y]
        extent = objects[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
        corners.append(np.hstack([left_top, left_top + extent]).astype(np.int32))
        class_ids += [class_id] * len(objects)
    return Boxes(
        corners=np.concatenate(corners).astype(np.float32),
        class_ids=np.array(class_ids, dtype=np.int64),
    )


def _pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """(image, mask) of every frame of a split, by name."""
    images, masks = root / split, root / f"{split}annot"
    for folder in (images, masks):
        if not folder.is_dir():
            raise EdgeMtlError(
                f"{root}: expected CamVid's folders {split}/ and {split}annot/, "
                f"found {folder_listing(root)}; give the folder that holds them"
            )
    paths = sorted(path for path in images.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise EdgeMtlError(
            f"{images}: expected images ({', '.join(IMAGE_SUFFIXES)}), "
            f"found {folder_listing(images)}; put the split's frames there"
        )
    pairs = [(path, masks / f"{path.stem}.png") for path in paths]
    present = {path.name for path in masks.iterdir()}
    missing = [pair for pair in pairs if pair[1].name not in present]
    if missing:
        image, mask = missing[0]
        raise EdgeMtlError(
            f"{mask}: expected the mask of {image.name}, found none ({len(missing)} of "
            f"{len(pairs)} images of the split lack one); add it or remove the image"
        )
    return pairs
