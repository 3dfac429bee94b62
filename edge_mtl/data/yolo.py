"""YOLO folders: an image, and beside it a text file of boxes in shares of the image.

    ROOT/data.yaml, or ROOT/classes.txt            names of the classes, and where images are
    ROOT/images/SPLIT/*.jpg                        or ROOT/SPLIT/images/*.jpg
    ROOT/labels/SPLIT/*.txt                        or ROOT/SPLIT/labels/*.txt

A line of labels is `class x y width height`, the centre and the size; keypoints of people follow as
`x y` or `x y visibility` where `data.yaml` has `kpt_shape`. A line `class x0 y0 x1 y1 x2 y2 ...` is
an outline, of which the bounds are the box. The formats:
https://docs.ultralytics.com/datasets/detect, /pose and /segment.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.clip import boxes_in_image
from edge_mtl.data.images import read_image
from edge_mtl.data.sample import Boxes, Sample, Vocabulary
from edge_mtl.data.yolo_layout import find_images, label_file, read_description
from edge_mtl.errors import EdgeMtlError
from edge_mtl.tasks import KEYPOINTS

_BOX_VALUES = 5
_FARTHEST = 1.0
"""Boxes may reach this share of the image beyond it; numbers farther out are no shares at all."""


class Yolo:
    """A split of a YOLO folder: boxes, and keypoints where it has those of people.

    An image without a file of labels holds nothing that was looked for. Boxes are cut at the
    image's edges. Files are found when this is made and read when a sample is taken.

    Raises:
        EdgeMtlError: the names of the classes, or the split's images or labels are missing. Taking
            a sample raises it for an unreadable image, and for labels that are not in the format,
            of unknown classes or not in shares of the image.
    """

    def __init__(self, root: Path, split: str) -> None:
        self.name = f"yolo:{root}/{split}"
        description = read_description(root)
        self._values_per_keypoint = description.values_per_keypoint
        self._images = find_images(root, split, description)
        self.vocabulary = Vocabulary(masks={}, boxes=description.classes)
        if not any(label_file(image).is_file() for image in self._images):
            example = label_file(self._images[0])
            raise EdgeMtlError(
                f"{example.parent}: expected labels such as {example.name}, found none for any of "
                f"{len(self._images)} images; put them there"
            )

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        path = self._images[index]
        image = read_image(path)
        size = image.shape[1], image.shape[0]
        return Sample(image=image, name=str(path), boxes=self._boxes(label_file(path), size))

    def _boxes(self, path: Path, size: tuple[int, int]) -> Boxes:
        corners, class_ids, keypoints = [], [], []
        for number, line in enumerate(_lines(path), start=1):
            if not line.strip():
                continue
            try:
                class_id, values = self._numbers(line)
            except ValueError as error:
                raise EdgeMtlError(f"{path} line {number}: {error}; mend the label") from None
            class_ids.append(class_id)
            corners.append(_corners(values, bool(self._values_per_keypoint)))
            if self._values_per_keypoint:
                keypoints.append(_keypoints(values[4:], self._values_per_keypoint))
        scale = np.array(size, np.float64)
        return boxes_in_image(
            np.array(corners).reshape(-1, 4) * np.tile(scale, 2),
            class_ids,
            size,
            np.array(keypoints).reshape(-1, len(KEYPOINTS), 3) * [*scale, 1.0]
            if self._values_per_keypoint
            else None,
        )

    def _numbers(self, line: str) -> tuple[int, NDArray[np.float64]]:
        """The class of a line and what follows it."""
        first, *rest = line.split()
        number, values = float(first), np.array(rest, np.float64)
        if not (number.is_integer() and 0 <= number < len(self.vocabulary.boxes)):
            raise ValueError(
                f"expected a class of 0 to {len(self.vocabulary.boxes) - 1}, found {first}"
            )
        points = len(KEYPOINTS) * self._values_per_keypoint
        outline = not points and len(values) >= 6 and len(values) % 2 == 0
        if len(values) != 4 + points and not outline:
            raise ValueError(f"expected {_BOX_VALUES + points} numbers, found {len(values) + 1}")
        shares = values[:4] if points else values
        if not ((shares >= -_FARTHEST) & (shares <= 1.0 + _FARTHEST)).all():
            raise ValueError(f"expected shares of the image between 0 and 1, found {line.strip()}")
        return int(number), values


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeMtlError(
            f"{path}: expected a text file of labels, found {error}; fetch it again"
        ) from None


def _corners(values: NDArray[np.float64], keypoints: bool) -> NDArray[np.float64]:
    """x1 y1 x2 y2 in shares of the image."""
    if len(values) == _BOX_VALUES - 1 or keypoints:
        centre, half = values[:2], values[2:4] / 2.0
        return np.concatenate([centre - half, centre + half])
    outline = values.reshape(-1, 2)
    return np.concatenate([outline.min(axis=0), outline.max(axis=0)])


def _keypoints(values: NDArray[np.float64], per_point: int) -> NDArray[np.float64]:
    """(17, 3): x y in shares of the image, visibility."""
    points = values.reshape(len(KEYPOINTS), per_point)
    if per_point == 3:
        return points
    # Two values a point: those at the origin are not labelled, the others are taken as seen.
    return np.column_stack([points, 2.0 * points.any(axis=1)])
