"""`Distillation`: the losses of a batch against what a teacher says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge_mtl import zoo
from edge_mtl.data.sample import IGNORE
from edge_mtl.errors import UsageError
from edge_mtl.network.checkpoint import load_checkpoint
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import ClassificationTask, DetectionTask, SegmentationTask
from edge_mtl.train.batch import NO_CLASS, Batch
from edge_mtl.train.distillation.config import DistillationConfig
from edge_mtl.train.distillation.soft_losses import cells_loss, divergence_loss, presence_loss
from edge_mtl.train.losses.assignment import cell_centres
from edge_mtl.train.losses.boxes import mean_distances
from edge_mtl.train.losses.detection import cells_of

T = TypeVar("T", SegmentationTask, DetectionTask, ClassificationTask)


@dataclass(frozen=True, slots=True)
class Shared(Generic[T]):
    """A task of the student, that of the teacher, and the ids in each of the classes both have."""

    task: T
    other: T
    ids: list[int]
    other_ids: list[int]


class Distillation:
    """A teacher beside a student: knowledge distillation (Hinton et al., 2015, arXiv:1503.02531).

    Tasks count that have the same name and kind in both, with at least two classes of the same
    names (one, where classes do not exclude each other); of boxes, the levels that both have. Masks
    and attributes compare the distributions over the classes that both have, at the resolution of
    the student's logits. Poses are not distilled.

    Raises:
        UsageError: there is no such checkpoint, it knows nothing of what the student learns, or it
            takes planes that the student does not.
        CheckpointError: the checkpoint is damaged.
    """

    def __init__(self, config: DistillationConfig, spec: ModelSpec, device: torch.device) -> None:
        network = load_checkpoint(zoo.locate(config.teacher, ".safetensors"))
        network.requires_grad_(False)
        # torch's type hints lack this overload of Module.to.
        module = cast("nn.Module", network.to(device))
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._teacher = cast("Network", module).eval()
        self._config = config
        theirs = network.spec
        self._planes = _shared_planes(spec, theirs)
        self._scale, self._shift = _renormalisation(spec.input, theirs.input, device)
        pad = spec.input.normalization()[:, spec.input.pad]
        self._pad = torch.from_numpy(pad).to(device)[:, None, None]
        self._segmentations = _shared(spec.segmentations, theirs.segmentations, 2)
        self._detections = [
            shared
            for shared in _shared(spec.detections, theirs.detections, 1)
            if set(shared.task.strides) & set(shared.other.strides)
        ]
        self._classifications = [
            shared
            for shared in _shared(spec.classifications, theirs.classifications, 1)
            if shared.task.multi_label == shared.other.multi_label
            and (shared.task.multi_label or len(shared.ids) > 1)
        ]
        if not (self._segmentations or self._detections or self._classifications):
            names = ", ".join(task.name for task in theirs.tasks)
            raise UsageError(
                f"distillation: {config.teacher} has no task and classes that {spec.name!r} has, "
                f"found {names}; choose another teacher, or name the tasks and classes as it does"
            )

    def __call__(self, raw: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """By task of the student that the teacher speaks of, a scalar, `config.weight` in it.

        raw: what the student says of the batch, which is normalised for the student.
        """
        planes = {
            theirs.name: (batch.planes[own.name] * own.std + own.mean - theirs.mean) / theirs.std
            for own, theirs in self._planes
        }
        with torch.no_grad():
            soft = self._teacher(batch.image * self._scale + self._shift, planes)
        losses = {}
        for mask in self._segmentations:
            losses[mask.task.name] = self._segmentation(mask, raw, soft, batch)
        for boxes in self._detections:
            losses[boxes.task.name] = self._detection(boxes, raw, soft, batch)
        for group in self._classifications:
            losses[group.task.name] = self._classification(group, raw, soft, batch)
        return {name: loss * self._config.weight for name, loss in losses.items()}

    def _segmentation(
        self,
        shared: Shared[SegmentationTask],
        raw: Mapping[str, Tensor],
        soft: Mapping[str, Tensor],
        batch: Batch,
    ) -> Tensor:
        task, other = shared.task, shared.other
        student = _class_logits(task, raw[task.name])
        teacher = _class_logits(other, soft[other.name])
        if teacher.shape[-2:] != student.shape[-2:]:
            teacher = F.interpolate(
                teacher, student.shape[-2:], mode="bilinear", align_corners=False
            )
        counted = self._sure(teacher, shared.other_ids) & ~self._padding(batch.image, task.stride)
        if self._config.unlabelled_only:
            labelled = (batch.masks[task.name] != IGNORE).flatten(1).any(1)
            counted &= ~labelled[:, None, None]
        return divergence_loss(
            student[:, shared.ids], teacher[:, shared.other_ids], counted, self._config.temperature
        )

    def _detection(
        self,
        shared: Shared[DetectionTask],
        raw: Mapping[str, Tensor],
        soft: Mapping[str, Tensor],
        batch: Batch,
    ) -> Tensor:
        task, other = shared.task, shared.other
        strides = [stride for stride in task.strides if stride in other.strides]
        student, teacher = _cells(task, strides, raw), _cells(other, strides, soft)
        unlabelled = [boxes is None for boxes in batch.boxes]
        counted = torch.tensor(unlabelled, device=student[0].device)
        if not self._config.unlabelled_only:
            counted = torch.ones_like(counted)
        return cells_loss(
            (student[0][..., shared.ids], student[1]),
            (teacher[0][..., shared.other_ids], teacher[1]),
            counted,
        )

    def _classification(
        self,
        shared: Shared[ClassificationTask],
        raw: Mapping[str, Tensor],
        soft: Mapping[str, Tensor],
        batch: Batch,
    ) -> Tensor:
        task, other = shared.task, shared.other
        student, teacher = raw[task.name].float().flatten(1), soft[other.name].float().flatten(1)
        said = batch.attributes[task.name]
        if task.multi_label:
            sure = teacher.sigmoid()[:, shared.other_ids]
            counted = torch.maximum(sure, 1.0 - sure) >= self._config.min_confidence
            if self._config.unlabelled_only:
                counted &= said[:, shared.ids].isnan()
            return presence_loss(student[:, shared.ids], teacher[:, shared.other_ids], counted)
        counted = self._sure(teacher, shared.other_ids)
        if self._config.unlabelled_only:
            counted &= said == NO_CLASS
        return divergence_loss(
            student[:, shared.ids], teacher[:, shared.other_ids], counted, self._config.temperature
        )

    def _sure(self, logits: Tensor, ids: Sequence[int]) -> Tensor:
        """(N, ...) of (N, C, ...): whether the teacher is sure of its choice, and the student knows
        that class: of others it could only be told what they are not."""
        confidence, choice = logits.softmax(1).max(1)
        known = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
        known[list(ids)] = True
        return (confidence >= self._config.min_confidence) & known[choice]

    def _padding(self, image: Tensor, stride: int) -> Tensor:
        """(N, H / stride, W / stride): cells more than half of which are the grey around the
        picture. Augmentation leaves exactly that grey, as the runtime does."""
        grey = (image == self._pad).all(1, keepdim=True).to(image.dtype)
        return F.avg_pool2d(grey, stride)[:, 0] > 0.5


def _shared(student: Sequence[T], teacher: Sequence[T], least: int) -> list[Shared[T]]:
    """The tasks that have the same name in both and at least so many classes in common."""
    by_name = {task.name: task for task in teacher}
    found = []
    for task in student:
        if task.name in by_name:
            other = by_name[task.name]
            names = [name for name in task.classes if name in other.classes]
            ids = [task.classes.index(name) for name in names]
            other_ids = [other.classes.index(name) for name in names]
            if len(names) >= least:
                found.append(Shared(task, other, ids, other_ids))
    return found


def _shared_planes(student: ModelSpec, teacher: ModelSpec) -> list[tuple[PlaneInput, PlaneInput]]:
    """Of each plane that the teacher takes, what it is to the student and to the teacher."""
    by_name = {plane.name: plane for plane in student.planes}
    for plane in teacher.planes:
        if plane.name not in by_name:
            raise UsageError(
                f"distillation: the teacher {teacher.name!r} takes the plane {plane.name!r}, which "
                f"{student.name!r} does not; add it to the model, or choose another teacher"
            )
    return [(by_name[plane.name], plane) for plane in teacher.planes]


def _class_logits(task: SegmentationTask, logits: Tensor) -> Tensor:
    """(N, C, h, w) float32; that of a binary task's background is 0."""
    logits = logits.float()
    return torch.cat([torch.zeros_like(logits), logits], 1) if task.binary else logits


def _cells(
    task: DetectionTask, strides: Sequence[int], raw: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """The class logits (N, A, C) and the boxes (N, A, 4), x1 y1 x2 y2 in pixels, of some levels."""
    scores = [raw[f"{task.name}_scores_{stride}"] for stride in strides]
    shapes = [(int(level.shape[2]), int(level.shape[3])) for level in scores]
    centres, sizes = cell_centres(shapes, strides, scores[0].device)
    sides = cells_of([raw[f"{task.name}_boxes_{stride}"] for stride in strides])
    reach = mean_distances(sides, task.bins) * sizes[:, None]
    return cells_of(scores), torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], -1)


def _renormalisation(
    student: InputSpec, teacher: InputSpec, device: torch.device
) -> tuple[Tensor, Tensor]:
    """What a picture normalised for the student is multiplied by, and what is added, for the
    teacher; each (3, 1, 1)."""
    mean, std = torch.tensor(student.mean), torch.tensor(student.std)
    other_mean, other_std = torch.tensor(teacher.mean), torch.tensor(teacher.std)
    scale, shift = std / other_std, (mean - other_mean) / other_std
    return scale.to(device)[:, None, None], shift.to(device)[:, None, None]
