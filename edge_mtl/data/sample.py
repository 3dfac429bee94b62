"""`Sample`: one image with the labels that its data set has."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_mtl.tasks import KEYPOINTS

IGNORE = 255
"""Mask value of a pixel that nobody labelled: it gives no loss and counts in no metric."""


def _no_areas() -> NDArray[np.float32]:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, slots=True)
class Boxes:
    """Labelled boxes of one image.

    corners: (N, 4) float32, x1 y1 x2 y2 in pixels of the image; pixel i covers [i, i + 1).
    class_ids: (N,) int64, indices into the classes of the `Vocabulary`.
    keypoints: (N, 17, 3) float32, x y in pixels and visibility as in COCO (0 not labelled,
        1 labelled but hidden, 2 visible), in the order of `KEYPOINTS`; None where the data set
        has none. Rows of objects without keypoints are all zero.
    ignored: (M, 4) float32, areas such as crowds where objects are there but not labelled one by
        one: nothing found there is wrong.
    searched: (C,) bool, by class id whether somebody looked for it in this image; None where every
        class was looked for. Nothing found of another class is wrong.
    """

    corners: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    keypoints: NDArray[np.float32] | None = None
    ignored: NDArray[np.float32] = field(default_factory=_no_areas)
    searched: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        n = len(self.class_ids)
        if self.corners.shape != (n, 4):
            raise ValueError(
                f"corners must have shape ({n}, 4) for {n} class ids, found {self.corners.shape}"
            )
        if self.keypoints is not None and self.keypoints.shape != (n, len(KEYPOINTS), 3):
            raise ValueError(
                f"keypoints must have shape ({n}, {len(KEYPOINTS)}, 3), "
                f"found {self.keypoints.shape}"
            )
        if self.ignored.ndim != 2 or self.ignored.shape[1] != 4:
            raise ValueError(f"ignored must have shape (M, 4), found {self.ignored.shape}")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The class names behind the numbers in a data set's labels.

    masks: by mask name, the classes in the order of their ids.
    boxes: the box classes in the order of their ids; empty where there are no boxes.
    attributes: by attribute, the values that it may have.
    planes: the names of further images beside the picture.
    """

    masks: dict[str, tuple[str, ...]]
    boxes: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    planes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and what is known about it; a task without a label here gives no loss.

    image: (H, W, 3) uint8, BGR as OpenCV reads it.
    name: where it came from, for messages: a file or `rendered:SEED/FRAME`.
    masks: by mask name ("segmentation", "drivable", "lanes"), (H, W) uint8 of class ids, `IGNORE`
        where nobody labelled.
    boxes: None where the data set has no boxes; an empty `Boxes` where it has but none is here.
    attributes: what holds for the whole scene, such as {"time": "night", "weather": "rain"}; where
        any number of values may hold, all that do: {"present": ("car", "sign")}.
    planes: by name ("depth", "thermal"), further images (H, W) uint8, registered to the picture;
        0 where nothing is known.
    """

    image: NDArray[np.uint8]
    name: str
    masks: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    boxes: Boxes | None = None
    attributes: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    planes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"image must have shape (H, W, 3), found {self.image.shape}")
        for kind, arrays in (("mask", self.masks), ("plane", self.planes)):
            for name, array in arrays.items():
                if array.shape != self.image.shape[:2]:
                    raise ValueError(
                        f"{kind} {name!r} of {self.name} must have its image's size "
                        f"{self.image.shape[:2]}, found {array.shape}"
                    )
