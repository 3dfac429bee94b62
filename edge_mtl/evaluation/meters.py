"""A meter for every task of a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from edge_mtl.data.sample import Sample
from edge_mtl.evaluation.classification import (
    ClassificationAccuracy,
    ClassificationMeter,
    MultiLabelAccuracy,
    MultiLabelMeter,
)
from edge_mtl.evaluation.detection import DetectionAccuracy, DetectionMeter
from edge_mtl.evaluation.pose import PoseAccuracy, PoseMeter
from edge_mtl.evaluation.segmentation import SegmentationAccuracy, SegmentationMeter
from edge_mtl.scene import Scene
from edge_mtl.spec import ModelSpec

Meter: TypeAlias = (
    SegmentationMeter | DetectionMeter | PoseMeter | ClassificationMeter | MultiLabelMeter
)
TaskAccuracy: TypeAlias = (
    SegmentationAccuracy
    | DetectionAccuracy
    | PoseAccuracy
    | ClassificationAccuracy
    | MultiLabelAccuracy
)


class Meters:
    """Compares scenes with labels, task by task.

    Each attribute holds the meters of one kind by the name of their task.
    """

    def __init__(self, spec: ModelSpec) -> None:
        detections = {task.name: task for task in spec.detections}
        self.segmentation = {task.name: SegmentationMeter(task) for task in spec.segmentations}
        self.detection = {task.name: DetectionMeter(task) for task in spec.box_tasks}
        self.pose = {task.name: PoseMeter(task, detections[task.detection]) for task in spec.poses}
        self.classification = {
            task.name: MultiLabelMeter(task) if task.multi_label else ClassificationMeter(task)
            for task in spec.classifications
        }

    def add(self, scene: Scene, sample: Sample) -> None:
        """A scene, its detections best first and down to low scores, and its picture's labels in
        the spec's ids (see `Alignment`)."""
        for name, mask in sample.masks.items():
            self.segmentation[name].add(scene.masks[name].labels, mask)
        if sample.boxes is not None:
            for name, boxes in self.detection.items():
                boxes.add(scene.detections[name], sample.boxes)
            if sample.boxes.keypoints is not None:
                for name, pose in self.pose.items():
                    found = scene.detections[pose.task.detection]
                    pose.add(found, scene.poses[name], sample.boxes)
        for name, meter in self.classification.items():
            if name in sample.attributes:
                values = sample.attributes[name]
                meter.add(
                    scene.classifications[name], (values,) if isinstance(values, str) else values
                )

    def result(self) -> dict[str, TaskAccuracy]:
        """The accuracy of every task that something is labelled for, by its name."""
        return {name: meter.result() for name, meter in self.labelled()}

    def labelled(self) -> Iterator[tuple[str, Meter]]:
        """The name and the meter of every task that something is labelled for."""
        meters = {**self.segmentation, **self.detection, **self.pose, **self.classification}
        yield from ((name, meter) for name, meter in meters.items() if meter.labels)
