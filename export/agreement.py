"""How much an exported network loses: against labels, or against its own float scenes.

Both give an `Accuracy` before (the float network's) and after, which `gate.judge` compares. What
nobody labelled, such as a network trained elsewhere with a folder of pictures, is compared with
what the float network saw in the same pictures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Boxes
from edge_mtl.evaluation.accuracy import Accuracy, evaluate, ranking_spec
from edge_mtl.evaluation.classification import HOLDS
from edge_mtl.evaluation.detection import deployed
from edge_mtl.evaluation.meters import Meters
from edge_mtl.runtime.engines import Engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.scene import Detections, Poses, Scene
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import KEYPOINTS

Basis = Literal["labels", "agreement"]
Progress = Callable[[int, int], None]
"""Called after each frame with the frames done and the frames in all."""


class Measure(Protocol):
    """What a network's accuracy is measured against.

    basis: "labels" of a data set, or "agreement" with the float network.
    data: the name of the frames.
    """

    basis: Basis
    data: str

    def __call__(self, engine: Engine, progress: Progress | None = None) -> Accuracy:
        """The accuracy of a network of the same spec on the same frames."""
        ...


class AgainstLabels:
    """Measures against the labels of a data set.

    Raises:
        UsageError: when it measures, where the data labels nothing that the spec has.
    """

    basis: Basis = "labels"

    def __init__(self, spec: ModelSpec, frames: Dataset) -> None:
        self.data = frames.name
        self._spec = spec
        self._frames = frames

    def __call__(self, engine: Engine, progress: Progress | None = None) -> Accuracy:
        return evaluate(self._spec, engine, self._frames, progress)


class AgainstFloat:
    """Measures against what a reference network saw in the same frames, which need no labels.

    Its masks, its boxes and poses above the score thresholds that the spec deploys, its surest
    class, or those classes that hold, stand for labels: pixel accuracy is the share of equal
    pixels, detection is matched at IoU 0.5, and the accuracy of a classification is how often its
    surest class is the same. The reference measured so gives 1 wherever it saw something. A task
    in which it saw nothing at all is in no `Accuracy`.

    Masks are compared at the network's size, so that those of all frames fit in memory.

    reference: the float network; used here and not closed.
    """

    basis: Basis = "agreement"

    def __init__(
        self,
        spec: ModelSpec,
        reference: Engine,
        frames: Dataset,
        progress: Progress | None = None,
    ) -> None:
        self.data = frames.name
        self._spec = spec
        self._frames = frames
        self._wanted = list(_scenes(spec, reference, frames, progress))

    def __call__(self, engine: Engine, progress: Progress | None = None) -> Accuracy:
        meters = Meters(self._spec)
        found = _scenes(self._spec, engine, self._frames, progress)
        for scene, wanted in zip(found, self._wanted, strict=True):
            _compare(self._spec, meters, scene, wanted)
        return Accuracy(frames=len(self._frames), tasks=meters.result())


def _scenes(
    spec: ModelSpec, engine: Engine, frames: Dataset, progress: Progress | None
) -> Iterator[Scene]:
    pipeline = Pipeline(ranking_spec(spec), engine, mask_size="network")
    for index in range(len(frames)):
        sample = frames[index]
        yield pipeline(sample.image, planes=sample.planes)
        if progress is not None:
            progress(index + 1, len(frames))


def _compare(spec: ModelSpec, meters: Meters, found: Scene, wanted: Scene) -> None:
    """Add a scene, with the reference's scene of the same frame for labels."""
    shown = {task.name: deployed(wanted.detections[task.name], task) for task in spec.box_tasks}
    for name, mask in meters.segmentation.items():
        mask.add(found.masks[name].labels, wanted.masks[name].labels)
    for name, boxes in meters.detection.items():
        boxes.add(found.detections[name], _boxes(wanted.detections[name], shown[name]))
    for name, pose in meters.pose.items():
        task = pose.task.detection
        labels = _persons(wanted.detections[task], wanted.poses[name], shown[task])
        pose.add(found.detections[task], found.poses[name], labels)
    for name, meter in meters.classification.items():
        sure = wanted.classifications[name]
        held = [sure.classes[i] for i in np.flatnonzero(sure.scores >= HOLDS)]
        meter.add(found.classifications[name], held if meter.task.multi_label else (sure.best,))


def _boxes(seen: Detections, shown: NDArray[np.bool_]) -> Boxes:
    return Boxes(seen.boxes[shown], seen.class_ids[shown].astype(np.int64))


def _persons(seen: Detections, poses: Poses, shown: NDArray[np.bool_]) -> Boxes:
    """The boxes that are shown, with those of COCO's keypoints that are surer seen than not."""
    keypoints = np.zeros((len(seen), len(KEYPOINTS), 3), np.float32)
    for column, name in enumerate(poses.keypoints):
        if name in KEYPOINTS:
            visible = 2.0 * (poses.scores[:, column] >= HOLDS)
            triples = np.column_stack([poses.points[:, column], visible])
            keypoints[poses.rows, KEYPOINTS.index(name)] = triples
    return dataclasses.replace(_boxes(seen, shown), keypoints=keypoints[shown])
