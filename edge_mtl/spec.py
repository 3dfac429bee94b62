"""`ModelSpec`: what a network takes in, which tasks it solves and what its raw outputs are called.

The spec alone decides the network's heads, the losses, the arguments of the head kernel and the
manifest of a bundle. It needs no torch.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge_mtl.tasks import (
    LEVEL_STRIDES,
    SEGMENTATION_STRIDES,
    BoxTask,
    ClassificationTask,
    DecodedDetectionTask,
    DetectionTask,
    Name,
    PoseTask,
    SegmentationTask,
    Task,
)
from edge_mtl.tensor_spec import TensorSpec

# The limits of the kernels, as in kernels/limits.h; those of a task are in tasks.py.
MAX_TASKS = 8
"""How many tasks of each kind a model may have."""

MAX_FRAMES = 16
"""How many frames the kernels take at once."""

MAX_EXTENT = 8192
"""Upper limit of the width and the height of a network's input; the kernels would take more."""

IMPORTED = "imported"
"""The `backbone` of a network that was trained elsewhere: nothing here builds or trains it."""

_MULTIPLE = 32
"""The coarsest level of our own networks has a cell for so many pixels, in each direction."""

Degrade: TypeAlias = Literal["half_resolution", "every_second_task"]
"""How a network becomes lighter; see `ModelSpec.degrade`."""

RESERVED_NAMES = ("data", "engine", "frames", "model", "parity", "split")
"""What a report of accuracies says beside its tasks: no task is called so."""


class InputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The picture that the network takes: RGB, planar, normalised by `(value / 255 - mean) / std`.

    Of any size, as kernels take any; networks of our own need multiples of 32 (see `ModelSpec`).
    A network that takes 0 to 255 has mean 0 and std 1 / 255.

    resize "letterbox" keeps the frame's aspect and pads with `pad` (an 8-bit grey value),
    "stretch" fills the whole input.
    """

    width: Annotated[int, Meta(ge=8, le=MAX_EXTENT)]
    height: Annotated[int, Meta(ge=8, le=MAX_EXTENT)]
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


class ModelSpec(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    dict=True,  # for what is asked for in every frame
):
    """A whole network: its inputs, its backbone and neck, and its tasks.

    planes: the images that it takes beside the picture.
    backbone: one of `edge_mtl.network.backbones`, or `IMPORTED`; a network that was trained
        elsewhere may have an input of any size and outputs at any stride.
    attention: how the heads see the feature pyramid: all the same ("none"), each with its own
        weights of the channels ("squeeze-excite"), or each with messages from the other heads
        ("cross-task").
    degrade: what a bundle has ready for when scenes come too late: the same network at half the
        width and height ("half_resolution"), or two networks with about half of the tasks each,
        used in turn ("every_second_task"). None: nothing.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    input: InputSpec
    planes: tuple[PlaneInput, ...] = ()
    backbone: str
    neck_channels: Annotated[int, Meta(ge=8, le=1024)] = 64
    attention: Literal["none", "squeeze-excite", "cross-task"] = "none"
    degrade: Degrade | None = None
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
        if self.backbone != IMPORTED:
            self._check_own()

    def _check_own(self) -> None:
        """What the networks that we build can take and give."""
        for side in ("width", "height"):
            if getattr(self.input, side) % _MULTIPLE:
                raise ValueError(
                    f"input.{side} must be a multiple of {_MULTIPLE}, found "
                    f"{getattr(self.input, side)}: choose the next one"
                )
        strides: tuple[int, ...]
        for task in self.tasks:
            if isinstance(task, SegmentationTask):
                strides, known, grid = (task.stride,), SEGMENTATION_STRIDES, task.grid
            elif isinstance(task, DetectionTask | PoseTask):
                strides, known, grid = task.strides, LEVEL_STRIDES, None
            else:
                continue
            if grid is not None or not set(strides) <= set(known):
                raise ValueError(
                    f"task {task.name!r} must have its outputs at strides among "
                    f"{', '.join(map(str, known))}, found {grid or list(strides)}: only a network "
                    "that is imported may have others"
                )

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
