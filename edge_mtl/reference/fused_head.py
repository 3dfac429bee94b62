"""Every task of a network, from the engine's raw outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from edge_mtl.placement import Placement
from edge_mtl.reference.classify import classify
from edge_mtl.reference.decoded import find_decoded
from edge_mtl.reference.detect import detect
from edge_mtl.reference.pose import find_poses
from edge_mtl.reference.segment import class_logits, segment
from edge_mtl.scene import Mask, Scene
from edge_mtl.spec import ModelSpec
from edge_mtl.tensor_spec import TensorSpec

MaskSize = Literal["frame", "network"]


def fused_head(
    spec: ModelSpec,
    tensors: Sequence[TensorSpec],
    raw: Mapping[str, NDArray[Any]],
    placement: Placement,
    mask_size: MaskSize,
) -> Scene:
    """Turn an engine's raw outputs into what every task of `spec` says about the frame.

    raw: by tensor name, (1, C, H, W) arrays as `tensors` describes them. Boxes and keypoints are
    in pixels of the frame; masks have the frame's size, or that of the placement's rectangle
    ("network"). The scene has no time stamps.
    """
    by_name = {tensor.name: tensor for tensor in tensors}
    size = mask_extent(placement, mask_size)
    masks = {}
    for task in spec.segmentations:
        logits = class_logits(task, by_name[task.name], raw[task.name][0])
        labels = segment(logits, placement, spec.input.size, size)
        masks[task.name] = Mask(task.classes, labels)
    found = {task.name: detect(task, by_name, raw, placement) for task in spec.detections}
    return Scene(
        size=placement.frame_size,
        detections={
            **{name: detections for name, (detections, _) in found.items()},
            **{
                task.name: find_decoded(task, by_name[task.name], raw[task.name], placement)
                for task in spec.decoded_detections
            },
        },
        masks=masks,
        poses={
            task.name: find_poses(task, by_name, raw, placement, *found[task.detection])
            for task in spec.poses
        },
        classifications={
            task.name: classify(task, by_name[task.name], raw[task.name])
            for task in spec.classifications
        },
    )


def mask_extent(placement: Placement, mask_size: MaskSize) -> tuple[int, int]:
    """(width, height) of the masks: the frame's, or that of its rectangle in the input."""
    return placement.frame_size if mask_size == "frame" else (placement.width, placement.height)
