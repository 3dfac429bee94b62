"""Accuracy of scenes against a data set's labels, task by task.

Everything is measured where users see it: on the `Scene`, in the frame's own pixels, after the
head kernel. A checkpoint and a bundle differ only in the engine that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from edge_mtl.data.align import Alignment
from edge_mtl.data.datasets import Dataset
from edge_mtl.evaluation.detection import DetectionAccuracy, DetectionMeter
from edge_mtl.evaluation.segmentation import SegmentationAccuracy, SegmentationMeter
from edge_mtl.runtime.engines import Engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import DetectionTask, ModelSpec

RANKING_THRESHOLD = 0.01
"""Detections below this score are left out of mAP: they hardly move it and cost time."""
_RANKING_BOXES = 256


class Accuracy(msgspec.Struct, kw_only=True):
    """The figures of each task, by its name, that the data set labels."""

    frames: int
    tasks: dict[str, SegmentationAccuracy | DetectionAccuracy]

    def to_json(self) -> dict[str, Any]:
        """{"frames": N, TASK: {...}, ...} of plain numbers."""
        figures: dict[str, Any] = msgspec.to_builtins(self.tasks)
        return {"frames": self.frames, **figures}


def evaluate(
    spec: ModelSpec,
    engine: Engine,
    dataset: Dataset,
    progress: Callable[[int, int], None] | None = None,
) -> Accuracy:
    """Run every frame of a data set through an engine of `spec` and compare.

    progress: called after each frame with the frames done and the frames in all.
    """
    segmentation = {task.name: SegmentationMeter(task) for task in spec.segmentations}
    detection = {task.name: DetectionMeter(task) for task in spec.detections}
    alignment = Alignment(dataset.vocabulary, spec)
    pipeline = Pipeline(_ranking_spec(spec), engine)
    for index in range(len(dataset)):
        sample = alignment(dataset[index])
        scene = pipeline(sample.image)
        for name, mask in sample.masks.items():
            segmentation[name].add(scene.masks[name].labels, mask)
        if sample.boxes is not None:
            for name, meter in detection.items():
                meter.add(scene.detections[name], sample.boxes)
        if progress is not None:
            progress(index + 1, len(dataset))
    tasks: dict[str, SegmentationAccuracy | DetectionAccuracy] = {}
    tasks.update((name, meter.result()) for name, meter in segmentation.items() if meter.frames)
    tasks.update((name, meter.result()) for name, meter in detection.items() if meter.frames)
    return Accuracy(frames=len(dataset), tasks=tasks)


def _ranking_spec(spec: ModelSpec) -> ModelSpec:
    """The same network with the low score threshold and the many boxes that mAP needs."""
    tasks = tuple(
        msgspec.structs.replace(
            task,
            score_threshold=min(task.score_threshold, RANKING_THRESHOLD),
            max_boxes=max(task.max_boxes, _RANKING_BOXES),
        )
        if isinstance(task, DetectionTask)
        else task
        for task in spec.tasks
    )
    return msgspec.structs.replace(spec, tasks=tasks)
