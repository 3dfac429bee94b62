"""Accuracy of scenes against a data set's labels, task by task.

Everything is measured where users see it: on the `Scene`, in the frame's own pixels, after the
head kernel. A checkpoint and a bundle differ only in the engine that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from edge_mtl.data.align import Alignment
from edge_mtl.data.datasets import Dataset
from edge_mtl.evaluation.meters import Meters, TaskAccuracy
from edge_mtl.evaluation.scores import mean
from edge_mtl.headline import headline
from edge_mtl.runtime.engines import Engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import BoxTask

RANKING_THRESHOLD = 0.01
"""Detections below this score are left out of mAP: they hardly move it and cost time."""
_RANKING_BOXES = 256


class Accuracy(msgspec.Struct, kw_only=True):
    """The figures of each task, by its name, that the data set labels."""

    frames: int
    tasks: dict[str, TaskAccuracy]

    @property
    def headline(self) -> float:
        """One figure to compare networks by: the mean of `headlines`, 0 where there are none."""
        return mean(self.headlines.values())

    @property
    def headlines(self) -> dict[str, float]:
        """By task, the one figure to judge it by: mIoU, mAP50, PCK, accuracy or, where several
        classes may hold, mAP."""
        return {name: headline(msgspec.to_builtins(each))[1] for name, each in self.tasks.items()}

    def to_json(self) -> dict[str, Any]:
        """{"frames": N, TASK: {...}, ...} of plain numbers."""
        figures: dict[str, Any] = msgspec.to_builtins(self.tasks)
        return {"frames": self.frames, **figures}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured on a data set.

    frames: how many pictures it has.
    meters: of all pictures together.
    frame_headlines: by picture, `Accuracy.headlines` of that picture alone; empty where they were
        not asked for.
    """

    frames: int
    meters: Meters
    frame_headlines: list[dict[str, float]]

    @property
    def accuracy(self) -> Accuracy:
        return Accuracy(frames=self.frames, tasks=self.meters.result())


def evaluate(
    spec: ModelSpec,
    engine: Engine,
    dataset: Dataset,
    progress: Callable[[int, int], None] | None = None,
) -> Accuracy:
    """Run every frame of a data set through an engine of `spec` and compare.

    progress: called after each frame with the frames done and the frames in all.

    Raises:
        UsageError: the data set labels nothing that the spec has (see `Alignment`).
        EdgeMtlError: a sample lacks a plane that the spec takes.
    """
    return measure(spec, engine, dataset, progress).accuracy


def measure(
    spec: ModelSpec,
    engine: Engine,
    dataset: Dataset,
    progress: Callable[[int, int], None] | None = None,
    *,
    each_frame: bool = False,
) -> Evaluation:
    """As `evaluate`, and keep what the figures are made of: for plots.

    each_frame: measure each picture by itself too.
    """
    meters = Meters(spec)
    headlines = []
    alignment = Alignment(dataset.vocabulary, spec)
    pipeline = Pipeline(ranking_spec(spec), engine)
    for index in range(len(dataset)):
        sample = alignment(dataset[index])
        scene = pipeline(sample.image, planes=sample.planes)
        meters.add(scene, sample)
        if each_frame:
            alone = Meters(spec)
            alone.add(scene, sample)
            headlines.append(Accuracy(frames=1, tasks=alone.result()).headlines)
        if progress is not None:
            progress(index + 1, len(dataset))
    return Evaluation(len(dataset), meters, headlines)


def ranking_spec(spec: ModelSpec) -> ModelSpec:
    """The same network with the low score threshold and the many boxes that mAP needs."""
    tasks = tuple(
        msgspec.structs.replace(
            task,
            score_threshold=min(task.score_threshold, RANKING_THRESHOLD),
            max_boxes=max(task.max_boxes, _RANKING_BOXES),
        )
        if isinstance(task, BoxTask)
        else task
        for task in spec.tasks
    )
    return msgspec.structs.replace(spec, tasks=tasks)
