"""The kinds of tasks: what each finds, among which classes, and which raw tensors it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_mtl.tensor_spec import TensorSpec

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")]
ClassNames = Annotated[tuple[str, ...], Meta(min_length=1, max_length=254)]
Labels = Annotated[tuple[str, ...], Meta(min_length=1, max_length=65535)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]

# The limits of the kernels, as in kernels/limits.h; those of a whole model are in spec.py.
MAX_BOXES = 4096
"""Upper limit of `DetectionTask.max_boxes`: what the head kernel reserves memory for."""

MAX_BINS = 64
"""Upper limit of `DetectionTask.bins`, for the same reason."""

MAX_LISTED = 1 << 20
"""Upper limit of `DecodedDetectionTask.candidates`."""

LEVEL_STRIDES = (4, 8, 16, 32)
"""The strides of detection and pose tasks that our own networks have."""

SEGMENTATION_STRIDES = (1, 2, 4, 8)
"""The strides of segmentation tasks that our own networks have."""

Strides = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=1024)], ...], Meta(min_length=1, max_length=4)
]
GridSide = Annotated[int, Meta(ge=1, le=65535)]

KEYPOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
"""COCO's 17 keypoints of a person, in COCO's order (Lin et al., 2014, arXiv:1405.0312)."""


class DetectionTask(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="detection"
):
    """Boxes with classes, from an anchor-free head (Tian et al., FCOS, 2019, arXiv:1904.01355).

    Level `s` of `strides` has two raw tensors of (H/s, W/s) cells, rounded up: `NAME_scores_s`, a
    logit per class, and `NAME_boxes_s`, the distances left, top, right, bottom from the centre of
    the cell to the sides of the box in units of `s` (below zero counts as zero). Linear, not
    exponential: 8 bits then cost at most a thirtieth of a cell, and no rounding differs between
    processors.

    bins: `NAME_boxes_s` has so many channels for each distance, the logits of 0, 1, 2, ... units;
        the distance is their mean (Li et al., Generalized Focal Loss, 2020, arXiv:2006.04388,
        section 3.2). None: one channel, the distance itself.
    """

    name: Name = "detection"
    classes: ClassNames
    strides: Strides = (8, 16, 32)
    score_threshold: Fraction = 0.3
    iou_threshold: Fraction = 0.6
    max_boxes: Annotated[int, Meta(ge=1, le=MAX_BOXES)] = 128
    bins: Annotated[int, Meta(ge=2, le=MAX_BINS)] | None = None

    def __post_init__(self) -> None:
        if list(self.strides) != sorted(set(self.strides)):
            raise ValueError(
                f"strides must be in ascending order, each once, found {list(self.strides)}"
            )

    def tensors(self, width: int, height: int) -> Iterator[TensorSpec]:
        for stride in self.strides:
            cells = _cells(stride, width, height)
            yield TensorSpec(f"{self.name}_scores_{stride}", (1, len(self.classes), *cells))
            yield TensorSpec(f"{self.name}_boxes_{stride}", (1, 4 * (self.bins or 1), *cells))


class DecodedDetectionTask(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="decoded_detection"
):
    """Boxes with classes that the network has decoded itself, as exports of YOLO networks have.

    For networks that were trained elsewhere. The raw tensor `NAME` holds `candidates` times C
    numbers: a box in pixels of the network's input, then an objectness where there is one, then a
    score per class. Scores lie between 0 and 1; what they are multiplied by, the objectness, too.

    layout: "channels_first", (1, C, candidates, 1), as YOLOv8 has it (with ones at the end that an
        engine's tensor need not have), or "channels_last", (1, candidates, C, 1), as YOLOv5.
    box: "centre" for x and y of the centre, width, height; "corners" for x1, y1, x2, y2.
    """

    name: Name = "detection"
    classes: ClassNames
    candidates: Annotated[int, Meta(ge=1, le=MAX_LISTED)]
    layout: Literal["channels_first", "channels_last"] = "channels_first"
    box: Literal["centre", "corners"] = "centre"
    objectness: bool = False
    score_threshold: Fraction = 0.3
    iou_threshold: Fraction = 0.6
    max_boxes: Annotated[int, Meta(ge=1, le=MAX_BOXES)] = 128

    def tensors(self, width: int, height: int) -> Iterator[TensorSpec]:
        channels = 4 + self.objectness + len(self.classes)
        first = self.layout == "channels_first"
        extent = (channels, self.candidates) if first else (self.candidates, channels)
        yield TensorSpec(self.name, (1, *extent, 1))


class SegmentationTask(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="segmentation"
):
    """One class per pixel. The raw tensor `NAME` holds a logit per class at `stride`.

    It has (H/stride, W/stride) cells, rounded up, that lie evenly over the whole input.

    grid: (width, height) of the raw tensor in cells, of a network whose is not that; it goes before
        `stride`.
    binary: of two classes, one logit says whether a pixel is of the second one (above zero).
    """

    name: Name
    classes: ClassNames
    stride: Annotated[int, Meta(ge=1, le=1024)] = 4
    binary: bool = False
    grid: tuple[GridSide, GridSide] | None = None

    def __post_init__(self) -> None:
        if self.binary and len(self.classes) != 2:
            raise ValueError(
                f"a binary task has two classes, background first, found {len(self.classes)}"
            )

    def tensors(self, width: int, height: int) -> Iterator[TensorSpec]:
        cells = self.grid[::-1] if self.grid else _cells(self.stride, width, height)
        yield TensorSpec(self.name, (1, 1 if self.binary else len(self.classes), *cells))


class PoseTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="pose"):
    """The keypoints of boxes that a detection task finds, from the cell that found the box
    (Maji et al., YOLO-Pose, 2022, arXiv:2204.06806).

    Level `s` of `strides` has two raw tensors of (H/s, W/s) cells, K = len(keypoints):
    `NAME_points_s` with 2 K channels x0 y0 x1 y1 ..., from the centre of the cell in units of `s`,
    and `NAME_visible_s`, a logit per keypoint that it can be seen.

    detection: the name of the detection task; strides: the same as its.
    classes: those of its classes that have keypoints.
    """

    name: Name = "pose"
    detection: Name = "detection"
    classes: ClassNames = ("pedestrian",)
    keypoints: Annotated[tuple[str, ...], Meta(min_length=1, max_length=64)] = KEYPOINTS
    strides: Strides = (8, 16, 32)

    def tensors(self, width: int, height: int) -> Iterator[TensorSpec]:
        for stride in self.strides:
            cells = _cells(stride, width, height)
            yield TensorSpec(f"{self.name}_points_{stride}", (1, 2 * len(self.keypoints), *cells))
            yield TensorSpec(f"{self.name}_visible_{stride}", (1, len(self.keypoints), *cells))


class ClassificationTask(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="classification"
):
    """What holds for the whole picture: a group of labels, such as the time of day.

    The raw tensor `NAME`, (1, C, 1, 1), holds a logit per class.

    multi_label: any number of the classes may hold; otherwise exactly one does.
    """

    name: Name
    classes: Labels
    multi_label: bool = False

    def tensors(self, width: int, height: int) -> Iterator[TensorSpec]:
        yield TensorSpec(self.name, (1, len(self.classes), 1, 1))


def _cells(stride: int, width: int, height: int) -> tuple[int, int]:
    """Rows and columns of cells, the last of which an input may fill in part."""
    return -(-height // stride), -(-width // stride)


BoxTask = DetectionTask | DecodedDetectionTask
Task = DetectionTask | DecodedDetectionTask | SegmentationTask | PoseTask | ClassificationTask
