"""The arrays that one call of the head kernel writes, and the scenes that they hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
from edge_mtl.spec import ModelSpec


class HeadResults:
    """Room for the results of every task for each of F frames, by task in the spec's order.

    Args:
        spec: the network's tasks.
        placements: where each frame lies in the input.
        mask_size: as of `edge_mtl.ops.FusedHead`.

    Attributes:
        masks: by frame: (H, W) uint8 each.
        boxes: corners (F, max_boxes, 4) and scores (F, max_boxes) float32, classes (F, max_boxes)
            int32.
        poses: rows (F, max_boxes) int32, points (F, max_boxes, K, 2) and scores (F, max_boxes, K)
            float32.
        class_scores: (F, C) float32 each.
    """

    def __init__(
        self, spec: ModelSpec, placements: Sequence[Placement], mask_size: MaskSize
    ) -> None:
        self._spec = spec
        self._placements = placements
        frames = len(placements)
        self.masks: list[list[NDArray[np.uint8]]] = []
        for placement in placements:
            width, height = reference.mask_extent(placement, mask_size)
            self.masks.append([np.empty((height, width), np.uint8) for _ in spec.segmentations])
        most = {task.name: task.max_boxes for task in spec.box_tasks}
        self.boxes = [
            (
                np.empty((frames, task.max_boxes, 4), np.float32),
                np.empty((frames, task.max_boxes), np.float32),
                np.empty((frames, task.max_boxes), np.int32),
            )
            for task in spec.box_tasks
        ]
        self.poses = [
            (
                np.empty((frames, most[task.detection]), np.int32),
                np.empty((frames, most[task.detection], len(task.keypoints), 2), np.float32),
                np.empty((frames, most[task.detection], len(task.keypoints)), np.float32),
            )
            for task in spec.poses
        ]
        self.class_scores = [
            np.empty((frames, len(task.classes)), np.float32) for task in spec.classifications
        ]

    def scene(self, frame: int, box_counts: Sequence[int], pose_counts: Sequence[int]) -> Scene:
        """What was seen in one frame: of each detection and each pose task so many rows."""
        spec = self._spec
        return Scene(
            size=self._placements[frame].frame_size,
            detections={
                task.name: Detections(
                    task.classes, corners[frame, :n], scores[frame, :n], class_ids[frame, :n]
                )
                for task, (corners, scores, class_ids), n in zip(
                    spec.box_tasks, self.boxes, box_counts, strict=True
                )
            },
            masks={
                task.name: Mask(task.classes, mask)
                for task, mask in zip(spec.segmentations, self.masks[frame], strict=True)
            },
            poses={
                task.name: Poses(
                    task.keypoints, rows[frame, :n], points[frame, :n], scores[frame, :n]
                )
                for task, (rows, points, scores), n in zip(
                    spec.poses, self.poses, pose_counts, strict=True
                )
            },
            classifications={
                task.name: Classification(task.classes, scores[frame])
                for task, scores in zip(spec.classifications, self.class_scores, strict=True)
            },
        )
