"""The arrays that one call of a head kernel writes, and the scenes that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
from edge_mtl.spec import ModelSpec

Masks: TypeAlias = list[NDArray[np.uint8]]
"""Of one frame: (H, W) each, by task in the spec's order."""
_Boxes: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]
_Poses: TypeAlias = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]


class HeadResults(msgspec.Struct):
    """The results of F frames but their masks, by task in the spec's order.

    boxes: corners (F, max_boxes, 4) and scores (F, max_boxes) float32, classes (F, max_boxes)
        int32. Those of decoded detections come last.
    poses: rows (F, max_boxes) int32, points (F, max_boxes, K, 2) and scores (F, max_boxes, K)
        float32.
    class_scores: (F, C) float32 each.
    """

    boxes: list[_Boxes]
    poses: list[_Poses]
    class_scores: list[NDArray[np.float32]]

    @classmethod
    def room(cls, spec: ModelSpec, frames: int) -> HeadResults:
        """Arrays for so many frames."""
        boxes, most = [], {}
        for task in spec.box_tasks:
            n = most[task.name] = task.max_boxes
            corners = np.empty((frames, n, 4), np.float32)
            scores, class_ids = np.empty((frames, n), np.float32), np.empty((frames, n), np.int32)
            boxes.append((corners, scores, class_ids))
        poses = []
        for pose in spec.poses:
            n, k = most[pose.detection], len(pose.keypoints)
            points = np.empty((frames, n, k, 2), np.float32)
            visible = np.empty((frames, n, k), np.float32)
            poses.append((np.empty((frames, n), np.int32), points, visible))
        class_scores = [
            np.empty((frames, len(group.classes)), np.float32) for group in spec.classifications
        ]
        return cls(boxes, poses, class_scores)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All of them."""
        several = (*self.boxes, *self.poses)
        return (*(array for arrays in several for array in arrays), *self.class_scores)

    def scenes(
        self,
        spec: ModelSpec,
        placements: Sequence[Placement],
        masks: Sequence[Masks],
        box_counts: Sequence[Sequence[int]],
        pose_counts: Sequence[Sequence[int]],
    ) -> list[Scene]:
        """What was seen in each frame: by frame, its masks, and of each task with boxes and of each
        pose task, so many rows."""
        scenes = []
        # By index: four calls of zip(strict=True) would take a third of the time.
        for frame, placement in enumerate(placements):
            labels, detections, poses, classifications = {}, {}, {}, {}
            for i, segmentation in enumerate(spec.segmentations):
                labels[segmentation.name] = Mask(segmentation.classes, masks[frame][i])
            for i, task in enumerate(spec.box_tasks):
                (corners, scores, class_ids), n = self.boxes[i], box_counts[frame][i]
                detections[task.name] = Detections(
                    task.classes, corners[frame, :n], scores[frame, :n], class_ids[frame, :n]
                )
            for i, pose in enumerate(spec.poses):
                (rows, points, visible), n = self.poses[i], pose_counts[frame][i]
                poses[pose.name] = Poses(
                    pose.keypoints, rows[frame, :n], points[frame, :n], visible[frame, :n]
                )
            for i, group in enumerate(spec.classifications):
                of_classes = self.class_scores[i][frame]
                classifications[group.name] = Classification(group.classes, of_classes)
            scenes.append(Scene(placement.frame_size, detections, labels, poses, classifications))
        return scenes


def mask_room(spec: ModelSpec, placement: Placement, mask_size: MaskSize) -> Masks:
    """The masks of a frame that lies so in the input; see `edge_mtl.ops.FusedHead`."""
    width, height = reference.mask_extent(placement, mask_size)
    return [np.empty((height, width), np.uint8) for _ in spec.segmentations]
