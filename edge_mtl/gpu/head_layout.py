"""Where the head kernel on a GPU finds what it reads and leaves what it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.errors import UsageError
from edge_mtl.gpu.head_plan import (
    CANDIDATE_BYTES,
    DTYPES,
    DeviceTensor,
    HeadPlan,
)
from edge_mtl.head_results import HeadResults
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Scene
from edge_mtl.spec import MAX_FRAMES, ModelSpec
from edge_mtl.tasks import BoxTask, DecodedDetectionTask, DetectionTask, PoseTask
from edge_mtl.tensor_spec import TensorSpec

_ALIGNMENT = 256
MAX_CLASSES = 255  # of a picture, as in kernels/limits.h: the kernel has room for no more
_TILE_WIDTH, _TILE_HEIGHT = 128, 16  # of device_masks.cuh


@dataclass(frozen=True, slots=True)
class _Field:
    offset: int
    shape: tuple[int, ...]
    dtype: type[np.generic]

    def of(self, buffer: NDArray[np.uint8]) -> NDArray[Any]:
        size = prod(self.shape) * np.dtype(self.dtype).itemsize
        return buffer[self.offset : self.offset + size].view(self.dtype).reshape(self.shape)


class _Buffer:
    """One piece of memory for many arrays."""

    def __init__(self) -> None:
        self.size = 0
        self.fields: dict[tuple[str, ...], _Field] = {}

    def add(self, key: tuple[str, ...], shape: tuple[int, ...], dtype: type[np.generic]) -> None:
        self.fields[key] = _Field(self.size, shape, dtype)
        size = prod(shape) * np.dtype(dtype).itemsize
        self.size += ceil(size / _ALIGNMENT) * _ALIGNMENT


class HeadLayout:
    """The memory of one batch of frames.

    Results are one buffer, which one copy brings to the host; scratch is another, `first_scratch`
    when it begins.

    Args:
        spec: the network's tasks.
        tensors: the engine's raw outputs, whose batch is the number of frames.
        placements: where each frame lies in its input.
        mask_size: as of `edge_mtl.ops.FusedHead`.

    Raises:
        UsageError: there are more frames, or classes of a picture, than the kernel takes.
    """

    def __init__(
        self,
        spec: ModelSpec,
        tensors: Sequence[TensorSpec],
        placements: Sequence[Placement],
        mask_size: MaskSize,
    ) -> None:
        if len(placements) > MAX_FRAMES:
            raise UsageError(f"expected at most {MAX_FRAMES} frames, found {len(placements)}")
        self._spec = spec
        self._tensors = {tensor.name: tensor for tensor in tensors}
        self._placements = placements
        self._results, self._scratch = _Buffer(), _Buffer()
        frames = len(placements)
        self._mask_sizes = [reference.mask_extent(each, mask_size) for each in placements]
        for mask in spec.segmentations:
            for frame, (width, height) in enumerate(self._mask_sizes):
                self._results.add((mask.name, str(frame)), (height, width), np.uint8)
        limits = {}
        for task in spec.box_tasks:
            most = limits[task.name] = task.max_boxes
            cells = self._cells(task)
            self._results.add((task.name, "boxes"), (frames, most, 4), np.float32)
            self._results.add((task.name, "scores"), (frames, most), np.float32)
            self._results.add((task.name, "class_ids"), (frames, most), np.int32)
            self._results.add((task.name, "found"), (frames,), np.int32)
            self._scratch.add((task.name, "counts"), (frames, 2), np.int32)
            self._scratch.add((task.name, "candidates"), (frames, cells, CANDIDATE_BYTES), np.uint8)
            self._scratch.add((task.name, "kept_cells"), (frames, most), np.int32)
        for pose in spec.poses:
            most, points = limits[pose.detection], len(pose.keypoints)
            self._results.add((pose.name, "rows"), (frames, most), np.int32)
            self._results.add((pose.name, "points"), (frames, most, points, 2), np.float32)
            self._results.add((pose.name, "scores"), (frames, most, points), np.float32)
            self._results.add((pose.name, "found"), (frames,), np.int32)
            classes = len(self._detection_of(pose).classes)
            self._scratch.add((pose.name, "has_keypoints"), (classes,), np.uint8)
        for group in spec.classifications:
            if len(group.classes) > MAX_CLASSES:
                raise UsageError(
                    f"on a GPU a classification has at most {MAX_CLASSES} classes, "
                    f"{group.name!r} has {len(group.classes)}: run its head with edge_mtl.ops"
                )
            self._results.add((group.name, "scores"), (frames, len(group.classes)), np.float32)

    @property
    def result_bytes(self) -> int:
        return self._results.size

    def first_scratch(self) -> NDArray[np.uint8]:
        """What scratch holds before the first launch; each launch leaves it as it was."""
        scratch = np.zeros(self._scratch.size, np.uint8)
        for task in self._spec.poses:
            classes = self._detection_of(task).classes
            has = self._scratch.fields[task.name, "has_keypoints"].of(scratch)
            has[[classes.index(name) for name in task.classes]] = 1
        return scratch

    def blocks(self, threads: int) -> int:
        """How many blocks of so many threads a launch takes."""
        frames = len(self._placements)
        slices = sum(ceil(self._cells(task) / threads) for task in self._spec.box_tasks)
        tiles = sum(
            ceil(width / _TILE_WIDTH) * ceil(height / _TILE_HEIGHT)
            for width, height in self._mask_sizes
        )
        groups = len(self._spec.classifications)
        return frames * (slices + groups) + len(self._spec.segmentations) * tiles

    def plan(self, raw: Mapping[str, int], results: int, scratch: int) -> HeadPlan:
        """What the kernel reads, for raw outputs (by name), results and scratch at these
        addresses."""
        spec = self._spec
        plan = HeadPlan()
        plan.frames = len(self._placements)
        plan.network_width, plan.network_height = spec.input.size
        for frame, each in enumerate(self._placements):
            plan.placement[frame][:] = each.numbers

        def tensor(name: str) -> DeviceTensor:
            described = self._tensors[name]
            _, *extent = described.shape
            return DeviceTensor(
                raw[name],
                DTYPES[described.dtype],
                *extent,
                described.scale,
                described.zero_point,
            )

        def point(target: object, buffer: _Buffer, base: int, task: str, *names: str) -> None:
            for name in names:
                setattr(target, name, base + buffer.fields[task, name].offset)

        plan.masks = len(spec.segmentations)
        for mask, mask_task in zip(plan.mask, spec.segmentations, strict=False):
            mask.logits, mask.binary = tensor(mask_task.name), mask_task.binary
            for frame, (width, height) in enumerate(self._mask_sizes):
                mask.width[frame], mask.height[frame] = width, height
                offset = self._results.fields[mask_task.name, str(frame)].offset
                mask.labels[frame] = results + offset
        plan.detections = len(spec.box_tasks)
        for box, task in zip(plan.detection, spec.box_tasks, strict=False):
            box.cells = self._cells(task)
            box.max_boxes = task.max_boxes
            box.max_candidates = reference.max_candidates(task)
            box.iou_threshold = task.iou_threshold
            if isinstance(task, DecodedDetectionTask):
                box.min_logit = task.score_threshold
                box.decoded.tensor = tensor(task.name)
                box.decoded.channels_last = task.layout == "channels_last"
                box.decoded.by_centre = task.box == "centre"
                box.decoded.objectness = task.objectness
            else:
                box.min_logit = reference.logit(task.score_threshold)
                box.levels, box.bins = len(task.strides), task.bins or 0
                first = 0
                for level, stride in zip(box.level, task.strides, strict=False):
                    level.stride, level.first_cell = stride, first
                    level.scores, level.boxes = map(tensor, reference.level_names(task, stride))
                    first += level.scores.height * level.scores.width
            found = ("boxes", "scores", "class_ids", "found")
            point(box, self._results, results, task.name, *found)
            point(box, self._scratch, scratch, task.name, "counts", "candidates", "kept_cells")
        plan.poses = len(spec.poses)
        for pose, pose_task in zip(plan.pose, spec.poses, strict=False):
            pose.detection = spec.detections.index(self._detection_of(pose_task))
            pose.keypoints = len(pose_task.keypoints)
            for pose_level, stride in zip(pose.level, pose_task.strides, strict=False):
                names = reference.level_names(pose_task, stride)
                pose_level.points, pose_level.visible = map(tensor, names)
            point(pose, self._results, results, pose_task.name, "rows", "points", "scores", "found")
            point(pose, self._scratch, scratch, pose_task.name, "has_keypoints")
        plan.classifications = len(spec.classifications)
        for group, group_task in zip(plan.classification, spec.classifications, strict=False):
            group.logits, group.multi_label = tensor(group_task.name), group_task.multi_label
            point(group, self._results, results, group_task.name, "scores")
        return plan

    def scenes(self, results: NDArray[np.uint8]) -> list[Scene]:
        """What was seen in each frame, from the buffer of results; arrays are views of it."""
        spec, frames = self._spec, range(len(self._placements))
        array = {key: field.of(results) for key, field in self._results.fields.items()}
        return HeadResults(
            boxes=[
                (array[name, "boxes"], array[name, "scores"], array[name, "class_ids"])
                for name in (task.name for task in spec.box_tasks)
            ],
            poses=[
                (array[name, "rows"], array[name, "points"], array[name, "scores"])
                for name in (task.name for task in spec.poses)
            ],
            class_scores=[array[task.name, "scores"] for task in spec.classifications],
        ).scenes(
            spec,
            self._placements,
            [[array[task.name, str(n)] for task in spec.segmentations] for n in frames],
            [[int(array[task.name, "found"][n]) for task in spec.box_tasks] for n in frames],
            [[int(array[task.name, "found"][n]) for task in spec.poses] for n in frames],
        )

    def _cells(self, task: BoxTask) -> int:
        if isinstance(task, DecodedDetectionTask):
            return task.candidates
        names = [reference.level_names(task, stride)[0] for stride in task.strides]
        return sum(prod(self._tensors[name].shape[2:]) for name in names)

    def _detection_of(self, pose: PoseTask) -> DetectionTask:
        return next(task for task in self._spec.detections if task.name == pose.detection)
