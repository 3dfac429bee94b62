"""`Batch`: samples of one size, stacked into tensors in the ids of a spec."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.spec import ModelSpec, PlaneInput
from edge_mtl.tasks import KEYPOINTS, ClassificationTask

NO_CLASS = -100
"""The class id of a sample that does not say; PyTorch's cross-entropy ignores it too."""


@dataclass(frozen=True, slots=True)
class BoxTargets:
    """The labelled boxes of one sample.

    corners: (M, 4) float32, x1 y1 x2 y2 in pixels.
    class_ids: (M,) int64, indices into the classes of the detection task.
    keypoints: by pose task, (M, K, 3) float32 in the order of its keypoints: x y in pixels and
        visibility as in COCO; zeros where not labelled, and for boxes of classes without poses.
        Empty where the sample has no keypoints.
    ignored: (I, 4) float32, areas where nothing that is found is wrong.
    searched: (C,) bool, the classes that somebody looked for; None where all were.
    """

    corners: Tensor
    class_ids: Tensor
    keypoints: dict[str, Tensor] = field(default_factory=dict)
    ignored: Tensor = field(default_factory=lambda: torch.zeros(0, 4))
    searched: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> BoxTargets:
        """The same with every tensor changed."""
        return BoxTargets(
            change(self.corners),
            change(self.class_ids),
            {name: change(points) for name, points in self.keypoints.items()},
            change(self.ignored),
            None if self.searched is None else change(self.searched),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """N samples in the ids of the spec.

    image: (N, 3, H, W) float32, normalised.
    masks: by segmentation task, (N, H, W) int64; `IGNORE` where there is no label.
    boxes: per sample; None where boxes are not labelled.
    names: where each sample came from.
    attributes: by classification task. One class: (N,) int64 class ids, `NO_CLASS` where the
        sample does not say. Several: (N, C) float32 of 0 and 1, NaN where it does not say.
    skipped: what could not be read and was left out on the way, a line a file.
    planes: by name, (N, 1, H, W) float32, normalised; what a sample does not have is as where
        nothing is known.
    """

    image: Tensor
    masks: dict[str, Tensor]
    boxes: list[BoxTargets | None]
    names: list[str]
    attributes: dict[str, Tensor] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    planes: dict[str, Tensor] = field(default_factory=dict)

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same with every tensor changed."""
        return Batch(
            change(self.image),
            {name: change(mask) for name, mask in self.masks.items()},
            [None if found is None else found.map(change) for found in self.boxes],
            self.names,
            {name: change(values) for name, values in self.attributes.items()},
            self.skipped,
            {name: change(plane) for name, plane in self.planes.items()},
        )

    def to(self, device: torch.device) -> Batch:
        """On a device; from pinned memory the copies overlap with what the device computes."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """In page-locked memory; what a `DataLoader` that pins calls."""
        return self.map(Tensor.pin_memory)


def batch_from_samples(
    samples: Sequence[Sample],
    spec: ModelSpec,
    skipped: tuple[str, ...] = (),
) -> Batch:
    """Stack samples of one size whose labels `Alignment` has put into the ids of `spec`."""
    table = spec.input.normalization()
    images = np.stack(
        [
            np.stack([table[c][sample.image[..., 2 - c]] for c in range(3)])  # BGR to RGB
            for sample in samples
        ]
    )
    masks = {}
    for task in spec.segmentations:
        unlabelled = np.full(samples[0].image.shape[:2], IGNORE, np.uint8)
        stacked = np.stack([sample.masks.get(task.name, unlabelled) for sample in samples])
        masks[task.name] = torch.from_numpy(stacked).long()
    return Batch(
        torch.from_numpy(images),
        masks,
        [_box_targets(sample.boxes, spec) for sample in samples],
        [sample.name for sample in samples],
        {task.name: _classes_said(task, samples) for task in spec.classifications},
        skipped,
        {plane.name: _plane(plane, samples) for plane in spec.planes},
    )


def _plane(plane: PlaneInput, samples: Sequence[Sample]) -> Tensor:
    unknown = np.zeros(samples[0].image.shape[:2], np.uint8)
    stacked = np.stack([sample.planes.get(plane.name, unknown) for sample in samples])
    return torch.from_numpy(plane.normalization()[stacked[:, None]])


def _box_targets(boxes: Boxes | None, spec: ModelSpec) -> BoxTargets | None:
    if boxes is None:
        return None
    keypoints = {}
    if boxes.keypoints is not None:
        for task in spec.poses:
            points = np.zeros((len(boxes.class_ids), len(task.keypoints), 3), np.float32)
            for place, name in enumerate(task.keypoints):
                if name in KEYPOINTS:
                    points[:, place] = boxes.keypoints[:, KEYPOINTS.index(name)]
            detection = next(each for each in spec.detections if each.name == task.detection)
            class_ids = [detection.classes.index(name) for name in task.classes]
            points[~np.isin(boxes.class_ids, class_ids)] = 0.0  # never asked for a pose
            keypoints[task.name] = torch.from_numpy(points)
    return BoxTargets(
        torch.from_numpy(boxes.corners),
        torch.from_numpy(boxes.class_ids),
        keypoints,
        torch.from_numpy(boxes.ignored),
        None if boxes.searched is None else torch.from_numpy(boxes.searched),
    )


def _classes_said(task: ClassificationTask, samples: Sequence[Sample]) -> Tensor:
    """What the samples say about a classification task, as `Batch.attributes` holds it."""
    said = [sample.attributes.get(task.name) for sample in samples]
    if not task.multi_label:
        ids = {name: number for number, name in enumerate(task.classes)}
        return torch.tensor(
            [ids.get(each, NO_CLASS) if isinstance(each, str) else NO_CLASS for each in said]
        )
    targets = torch.full((len(samples), len(task.classes)), math.nan)
    for row, values in enumerate(said):
        if values is not None:
            holding = {values} if isinstance(values, str) else set(values)
            targets[row] = torch.tensor([float(name in holding) for name in task.classes])
    return targets
