"""`Teacher`: a network that says what is in a picture, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.sample import Vocabulary


@dataclass(frozen=True, slots=True)
class FoundMask:
    """labels: (H, W) uint8, the likeliest class. confidence: (H, W) float32, its probability."""

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FoundBoxes:
    """Boxes of one picture, sure ones and doubtful ones.

    corners: (N, 4) float32, x1 y1 x2 y2 in pixels; they may lie beyond the edge of the picture.
    class_ids: (N,) int64, indices into the box classes of the teacher's vocabulary.
    scores: (N,) float32 in [0, 1].
    points: (N, 17, 3) float32 in the order of `KEYPOINTS`, x y in pixels and how sure it is that
        the point can be seen; None where the teacher finds none.
    """

    corners: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    points: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class FoundAttribute:
    """scores: (V,) float32 in [0, 1], a score for each value that the vocabulary knows.

    several: any number of the values may hold; otherwise exactly one does.
    """

    scores: NDArray[np.float32]
    several: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """What a teacher found in one picture, in the ids of its vocabulary.

    masks: by mask name. boxes: None where it looks for none. attributes: by name.
    """

    masks: dict[str, FoundMask] = field(default_factory=dict)
    boxes: FoundBoxes | None = None
    attributes: dict[str, FoundAttribute] = field(default_factory=dict)


class Teacher(Protocol):
    """Finds things in pictures."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """All that it looks for."""
        ...

    def __call__(self, image: NDArray[np.uint8], /) -> Findings:
        """image: (H, W, 3) uint8 BGR."""
        ...

    def close(self) -> None:
        """Release the network."""


@runtime_checkable
class PoseTeacher(Protocol):
    """Finds the keypoints of people whose boxes are known."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    def keypoints(
        self, image: NDArray[np.uint8], corners: NDArray[np.float32], /
    ) -> NDArray[np.float32]:
        """image: (H, W, 3) uint8 BGR; corners: (N, 4), a person each. (N, 17, 3) float32 in the
        order of `KEYPOINTS`: x y in pixels and how sure it is, in [0, 1]."""
        ...

    def close(self) -> None:
        """Release the network."""
