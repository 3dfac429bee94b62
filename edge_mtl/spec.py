"""`ModelSpec`: what a network takes in, which tasks it solves and what its raw outputs are called.

The spec alone decides the network's heads, the losses, the arguments of the head kernel and the
manifest of a bundle. It needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")]
ClassNames = Annotated[tuple[str, ...], Meta(min_length=1, max_length=254)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]

Dtype = Literal["float32", "float16", "uint8", "int8"]
"""What the tensors at the edges of an engine hold. Kernels read float16 as float32."""

# The limits of the kernels, as in kernels/limits.h.
MAX_BOXES = 4096
"""Upper limit of `DetectionTask.max_boxes`: what the head kernel reserves memory for."""

MAX_BINS = 64
"""Upper limit of `DetectionTask.bins`, for the same reason."""

MAX_LISTED = 1 << 20
"""Upper limit of `DecodedDetectionTask.candidates`."""

MAX_TASKS = 8
"""How many tasks of each kind a model may have."""

MAX_FRAMES = 16
"""How many frames the kernels take at once."""

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


RESERVED_NAMES = ("data", "engine", "frames", "model", "split")
"""What a report of accuracies says beside its tasks: no task is called so."""


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named tensor at the edge of an engine.

    shape is (N, C, H, W). An 8-bit tensor stands for `scale * (value - zero_point)`; a float
    one has no use for either.
    """

    name: str
    shape: tuple[int, int, int, int]
    dtype: Dtype = "float32"
    scale: float = 1.0
    zero_point: int = 0

    @property
    def quantised(self) -> bool:
        return self.dtype in ("uint8", "int8")


class InputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The picture that the network takes: RGB, planar, normalised by `(value / 255 - mean) / std`.

    resize "letterbox" keeps the frame's aspect and pads with `pad` (an 8-bit grey value),
    "stretch" fills the whole input.
    """

    width: Annotated[int, Meta(ge=32, multiple_of=32)]
    height: Annotated[int, Meta(ge=32, multiple_of=32)]
    name: Name = "image"
    resize: Literal["letterbox", "stretch"] = "letterbox"
    pad: Annotated[int, Meta(ge=0, le=255)] = 114
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[
        Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)], Annotated[float, Meta(gt=0)]
    ] = (0.229, 0.224, 0.225)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    def normalization(self) -> NDArray[np.float32]:
        """(3, 256) float32: the normalised value of every 8-bit value of R, G and B, computed as
        gain * value + offset (see `line`) in single precision."""
        gain, offset = (np.array(each, np.float32)[:, None] for each in self.line())
        table: NDArray[np.float32] = np.arange(256, dtype=np.float32) * gain + offset
        return table

    def line(self) -> tuple[list[float], list[float]]:
        """By channel the gain and the offset that turn an 8-bit value into its normalised one."""
        gain = [1.0 / (255.0 * std) for std in self.std]
        return gain, [-mean / std for mean, std in zip(self.mean, self.std, strict=True)]


class PlaneInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A further image beside the picture, of one channel: depth, thermal, infrared.

    It is registered to the picture and of its size, 8-bit; 0 says that nothing is known there. The
    network takes it normalised by `(value / 255 - mean) / std`; around a letterboxed one is 0.

    fusion: "early" for an input channel more of the network's first convolution; "stem" for
        convolutions of its own, whose features are added to those of the picture's stem. Either
        starts without influence: the network begins as it is without the plane. A frozen stem
        keeps what it has learned of early planes, which may be nothing.
    """

    name: Name
    mean: float = 0.0
    std: Annotated[float, Meta(gt=0)] = 1.0
    fusion: Literal["early", "stem"] = "stem"

    def normalization(self) -> NDArray[np.float32]:
        """(256,) float32: the normalised value of every 8-bit value."""
        table: NDArray[np.float32] = (
            (np.arange(256, dtype=np.float64) / 255.0 - self.mean) / self.std
        ).astype(np.float32)
        return table


class DetectionTask(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="detection"
):
    """Boxes with classes, from an anchor-free head (Tian et al., FCOS, 2019, arXiv:1904.01355).

    Level `s` of `strides` has two raw tensors of (H/s, W/s) cells: `NAME_scores_s`, a logit per
    class, and `NAME_boxes_s`, the distances left, top, right, bottom from the centre of the cell
    to the sides of the box in units of `s` (below zero counts as zero). Linear, not exponential:
    8 bits then cost at most a thirtieth of a cell, and no rounding differs between processors.

    bins: `NAME_boxes_s` has so many channels for each distance, the logits of 0, 1, 2, ... units;
        the distance is their mean (Li et al., Generalized Focal Loss, 2020, arXiv:2006.04388,
        section 3.2). None: one channel, the distance itself.
    """

    name: Name = "detection"
    classes: ClassNames
    strides: Annotated[tuple[Literal[4, 8, 16, 32], ...], Meta(min_length=1)] = (8, 16, 32)
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
            cells = (height // stride, width // stride)
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

    binary: of two classes, one logit says whether a pixel is of the second one (above zero).
    """

    name: Name
    classes: ClassNames
    stride: Literal[1, 2, 4, 8] = 4
    binary: bool = False

    def __post_init__(self) -> None:
        if self.binary and len(self.classes) != 2:
            raise ValueError(
                f"a binary task has two classes, background first, found {len(self.classes)}"
            )

    def tensors(self, width: int, height: int) -> Iterator[TensorSpec]:
        cells = (height // self.stride, width // self.stride)
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
    strides: Annotated[tuple[Literal[4, 8, 16, 32], ...], Meta(min_length=1)] = (8, 16, 32)

    def tensors(self, width: int, height: int) -> Iterator[TensorSpec]:
        for stride in self.strides:
            cells = (height // stride, width // stride)
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
    classes: ClassNames
    multi_label: bool = False

    def tensors(self, width: int, height: int) -> Iterator[TensorSpec]:
        yield TensorSpec(self.name, (1, len(self.classes), 1, 1))


BoxTask = DetectionTask | DecodedDetectionTask
Task = DetectionTask | DecodedDetectionTask | SegmentationTask | PoseTask | ClassificationTask


class ModelSpec(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    dict=True,  # for what is asked for in every frame
):
    """A whole network: its inputs, its backbone and neck, and its tasks.

    planes: the images that it takes beside the picture.
    attention: how the heads see the feature pyramid: all the same ("none"), each with its own
        weights of the channels ("squeeze-excite"), or each with messages from the other heads
        ("cross-task").
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    input: InputSpec
    planes: tuple[PlaneInput, ...] = ()
    backbone: str
    neck_channels: Annotated[int, Meta(ge=8, le=1024)] = 64
    attention: Literal["none", "squeeze-excite", "cross-task"] = "none"
    tasks: Annotated[tuple[Task, ...], Meta(min_length=1)]

    def __post_init__(self) -> None:
        inputs = [self.input.name, *(plane.name for plane in self.planes)]
        names = [*inputs, *(task.name for task in self.tasks)]
        # A task and its one tensor may share a name, two tensors may not.
        tensors = [*inputs, *(tensor.name for tensor in self.output_tensors)]
        twice = sorted({name for each in (names, tensors) for name in each if each.count(name) > 1})
        if twice:
            raise ValueError(
                "the inputs, the tasks and their raw outputs need names of their own, found "
                f"{', '.join(twice)} twice: rename a task"
            )
        for tasks in (self.box_tasks, self.segmentations, self.poses, self.classifications):
            if len(tasks) > MAX_TASKS:
                raise ValueError(
                    f"a model has at most {MAX_TASKS} tasks of a kind, found {len(tasks)}: "
                    "make one of several"
                )
        for task in self.tasks:
            if task.name in RESERVED_NAMES:
                raise ValueError(
                    f"a report of accuracies has a field {task.name!r} of its own, as it has "
                    f"{', '.join(name for name in RESERVED_NAMES if name != task.name)}: rename "
                    "the task"
                )
            if len(set(task.classes)) != len(task.classes):
                raise ValueError(f"task {task.name!r} names a class twice: {task.classes}")
        for pose in self.poses:
            self._check_pose(pose)

    def _check_pose(self, pose: PoseTask) -> None:
        by_name = {task.name: task for task in self.detections}
        if pose.detection not in by_name:
            raise ValueError(
                f"task {pose.name!r} needs the detection task {pose.detection!r}, found "
                f"{', '.join(by_name) or 'none'}: name one in `detection`"
            )
        detection = by_name[pose.detection]
        unknown = [name for name in pose.classes if name not in detection.classes]
        if unknown:
            raise ValueError(
                f"task {pose.name!r} finds keypoints of {unknown[0]!r}, which is no class of "
                f"{detection.name!r}: choose among {', '.join(detection.classes)}"
            )
        if pose.strides != detection.strides:
            raise ValueError(
                f"task {pose.name!r} must have the strides of {detection.name!r}, "
                f"{list(detection.strides)}, found {list(pose.strides)}"
            )
        if len(set(pose.keypoints)) != len(pose.keypoints):
            raise ValueError(f"task {pose.name!r} names a keypoint twice: {pose.keypoints}")

    @property
    def input_tensor(self) -> TensorSpec:
        return TensorSpec(self.input.name, (1, 3, self.input.height, self.input.width))

    @property
    def plane_tensors(self) -> tuple[TensorSpec, ...]:
        """The further inputs of the float network, in the order of `planes`."""
        shape = (1, 1, self.input.height, self.input.width)
        return tuple(TensorSpec(plane.name, shape) for plane in self.planes)

    @cached_property
    def output_tensors(self) -> tuple[TensorSpec, ...]:
        """The raw outputs of the float network, in the order of the tasks."""
        return tuple(
            tensor
            for task in self.tasks
            for tensor in task.tensors(self.input.width, self.input.height)
        )

    @cached_property
    def detections(self) -> tuple[DetectionTask, ...]:
        return tuple(task for task in self.tasks if isinstance(task, DetectionTask))

    @cached_property
    def decoded_detections(self) -> tuple[DecodedDetectionTask, ...]:
        return tuple(task for task in self.tasks if isinstance(task, DecodedDetectionTask))

    @cached_property
    def box_tasks(self) -> tuple[BoxTask, ...]:
        """All tasks that find boxes: those of `detections`, then those of `decoded_detections`."""
        return (*self.detections, *self.decoded_detections)

    @cached_property
    def segmentations(self) -> tuple[SegmentationTask, ...]:
        return tuple(task for task in self.tasks if isinstance(task, SegmentationTask))

    @cached_property
    def poses(self) -> tuple[PoseTask, ...]:
        return tuple(task for task in self.tasks if isinstance(task, PoseTask))

    @cached_property
    def classifications(self) -> tuple[ClassificationTask, ...]:
        return tuple(task for task in self.tasks if isinstance(task, ClassificationTask))
