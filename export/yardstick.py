"""How much an exported network loses: by labels where there are some, else by its own float scenes.

A task that nobody labelled, such as every task of a network trained elsewhere that is measured on
a folder of pictures, is compared with what the float network saw in the same frames.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.align import Alignment
from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Boxes, Sample
from edge_mtl.evaluation.accuracy import Accuracy, ranking_spec
from edge_mtl.evaluation.classification import HOLDS
from edge_mtl.evaluation.detection import deployed
from edge_mtl.evaluation.meters import Meters
from edge_mtl.runtime.engines import Engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.scene import Detections, Mask, Poses, Scene
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import KEYPOINTS

Basis = Literal["labels", "agreement"]
Progress = Callable[[int, int], None]
"""Called after each frame with the frames done and the frames in all."""


class Measured(NamedTuple):
    """What was measured of one network. Each task is in one of the two.

    labels: the accuracy of the tasks that the frames label.
    agreement: that of the others, with the float network's scenes for labels. A task in which the
        float network saw nothing at all is in neither.
    """

    labels: Accuracy
    agreement: Accuracy


class Yardstick:
    """Measures networks of one spec on the same frames.

    Where nothing is labelled, the reference's masks, its boxes and poses above the score
    thresholds that the spec deploys, and its surest class, or those classes that hold, stand for
    labels: pixel accuracy is the share of equal pixels, boxes are matched at IoU 0.5, and the
    accuracy of a classification is how often its surest class is the same.

    data: the name of the frames.
    before: the reference itself, measured so; it agrees with itself in everything.

    Args:
        reference: the float network; used here, not closed, not needed afterwards.

    Raises:
        EdgeMtlError: a frame cannot be read, or lacks a plane that the spec takes.
    """

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
        self._wanted: list[_Wanted] = []
        by_label, by_agreement = Meters(spec), Meters(spec)
        for sample, scene in self._scenes(reference, progress, spec):
            by_label.add(scene, sample)
            add_agreement(spec, by_agreement, scene, scene)
            self._wanted.append(_Wanted.of(scene))
        self.before = self._measured(by_label, by_agreement)
        for wanted in self._wanted:
            wanted.forget(self.before.labels.tasks)

    def __call__(
        self, engine: Engine, progress: Progress | None = None, spec: ModelSpec | None = None
    ) -> Measured:
        """Measure another network of the spec, such as the quantised one, or one of a spec that has
        some of its tasks, or another size."""
        spec = spec or self._spec
        by_label, by_agreement = Meters(spec), Meters(spec)
        found = self._scenes(engine, progress, spec)
        for (sample, scene), wanted in zip(found, self._wanted, strict=True):
            by_label.add(scene, sample)
            add_agreement(spec, by_agreement, scene, wanted.scene())
        return self._measured(by_label, by_agreement)

    def _scenes(
        self, engine: Engine, progress: Progress | None, spec: ModelSpec
    ) -> Iterator[tuple[Sample, Scene]]:
        """What an engine sees in every frame, and the frame with its labels in the spec's ids."""
        labels = self._frames.vocabulary
        alignment = None
        if labels.masks or labels.boxes or labels.attributes:
            alignment = Alignment(labels, spec, unlabelled_ok=True)
        pipeline = Pipeline(ranking_spec(spec), engine)
        for index in range(len(self._frames)):
            sample = self._frames[index]
            scene = pipeline(sample.image, planes=sample.planes)
            if alignment is None:
                yield Sample(sample.image, sample.name), scene
            else:
                yield alignment(sample), scene
            if progress is not None:
                progress(index + 1, len(self._frames))

    def _measured(self, by_label: Meters, by_agreement: Meters) -> Measured:
        labelled = by_label.result()
        others = {
            name: meter.result() for name, meter in by_agreement.labelled() if name not in labelled
        }
        frames = len(self._frames)
        return Measured(
            Accuracy(frames=frames, tasks=labelled), Accuracy(frames=frames, tasks=others)
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A scene of the reference whose masks are compressed: those of a hundred frames are kept."""

    rest: Scene
    masks: dict[str, tuple[tuple[str, ...], tuple[int, ...], bytes]]

    @classmethod
    def of(cls, scene: Scene) -> _Wanted:
        masks = {
            name: (mask.classes, mask.labels.shape, zlib.compress(mask.labels, 1))
            for name, mask in scene.masks.items()
        }
        return cls(msgspec.structs.replace(scene, masks={}), masks)

    def forget(self, tasks: Iterable[str]) -> None:
        """Drop the masks of tasks that need not be compared."""
        for task in tasks:
            self.masks.pop(task, None)

    def scene(self) -> Scene:
        masks = {
            name: Mask(
                classes, np.frombuffer(bytearray(zlib.decompress(packed)), np.uint8).reshape(shape)
            )
            for name, (classes, shape, packed) in self.masks.items()
        }
        return msgspec.structs.replace(self.rest, masks=masks)


def add_agreement(spec: ModelSpec, meters: Meters, found: Scene, wanted: Scene) -> None:
    """Add a scene to meters, with the reference's scene of the same frame for labels; see
    `Yardstick` for what counts."""
    shown = {task.name: deployed(wanted.detections[task.name], task) for task in spec.box_tasks}
    for name, mask in wanted.masks.items():
        if name in meters.segmentation:
            meters.segmentation[name].add(found.masks[name].labels, mask.labels)
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
