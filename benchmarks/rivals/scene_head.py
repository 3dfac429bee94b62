"""The parts of a head, one a task, put together to what makes a scene of raw outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from edge_mtl.placement import Placement
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

Raw: TypeAlias = Mapping[str, Any]
"""By name (1, C, H, W), in NumPy or torch."""
Tensors: TypeAlias = Mapping[str, TensorSpec]


def scene_head(
    spec: ModelSpec,
    tensors: Sequence[TensorSpec],
    placement: Placement,
    segmentation: Callable[[SegmentationTask, TensorSpec], Callable[[Raw], Mask]],
    detection: Callable[
        [DetectionTask, Sequence[PoseTask], Tensors],
        Callable[[Raw], tuple[Detections, dict[str, Poses]]],
    ],
    classification: Callable[[ClassificationTask, TensorSpec], Callable[[Raw], Classification]],
) -> Callable[[Raw], Scene]:
    """Every task of `spec`, for frames that lie so in the input; a detection's part finds the poses
    of its boxes too."""
    by_name = {tensor.name: tensor for tensor in tensors}
    masks = {task.name: segmentation(task, by_name[task.name]) for task in spec.segmentations}
    boxes = {}
    for task in spec.detections:
        poses = [pose for pose in spec.poses if pose.detection == task.name]
        boxes[task.name] = detection(task, poses, by_name)
    classes = {task.name: classification(task, by_name[task.name]) for task in spec.classifications}

    def head(raw: Raw) -> Scene:
        found = {name: part(raw) for name, part in boxes.items()}
        return Scene(
            placement.frame_size,
            {name: detections for name, (detections, _) in found.items()},
            {name: part(raw) for name, part in masks.items()},
            {name: each for _, of_boxes in found.values() for name, each in of_boxes.items()},
            {name: part(raw) for name, part in classes.items()},
        )

    return head
