"""Accuracy of labels that hold for a whole picture, one or several at a time."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import multilabel_average_precision

from edge_mtl.evaluation.scores import Scores, by_class, macro, mean, scores
from edge_mtl.scene import Classification
from edge_mtl.tasks import ClassificationTask

HOLDS = 0.5
"""From this score on, a class of a multi-label task holds."""


class ClassificationAccuracy(Scores, kw_only=True):
    """Of a task where exactly one class holds. Everything in [0, 1].

    precision, recall, f1: the means over the classes that the labels hold.
    accuracy: the share of labelled pictures whose surest class is the right one.
    per_class: the classes that the labels hold.
    """

    accuracy: float
    per_class: dict[str, Scores]

    def figures(self) -> dict[str, float]:
        """What a table shows, by name."""
        return {
            "accuracy": self.accuracy,
            "precision": self.precision,
            "recall": self.recall,
            "F1": self.f1,
            **{f"F1 {name}": each.f1 for name, each in self.per_class.items()},
        }


class MultiLabelAccuracy(Scores, kw_only=True):
    """Of a task where any number of classes may hold. Everything in [0, 1].

    precision, recall, f1: at a score of 0.5, the means over the classes that the labels hold.
    map: the mean of the average precisions of the same classes.
    per_class: the classes that the labels hold.
    """

    map: float
    per_class: dict[str, Scores]

    def figures(self) -> dict[str, float]:
        """What a table shows, by name."""
        return {
            "mAP": self.map,
            "precision": self.precision,
            "recall": self.recall,
            "F1": self.f1,
            **{f"F1 {name}": each.f1 for name, each in self.per_class.items()},
        }


class ClassificationMeter:
    """Collects the labels of a task where exactly one class holds, frame by frame."""

    def __init__(self, task: ClassificationTask) -> None:
        self.task = task
        # rows: labels
        self.confusion: NDArray[np.int64] = np.zeros((len(task.classes),) * 2, np.int64)

    def add(self, found: Classification, wanted: Collection[str]) -> None:
        """`wanted`: the class that holds; one that the task does not know counts nowhere."""
        for name in wanted:
            if name in self.task.classes:
                self.confusion[self.task.classes.index(name), found.scores.argmax()] += 1

    @property
    def labels(self) -> int:
        """How many pictures were labelled."""
        return int(self.confusion.sum())

    def result(self) -> ClassificationAccuracy:
        per_class = by_class(self.confusion, self.task.classes)
        return ClassificationAccuracy(
            **msgspec.structs.asdict(macro(per_class.values())),
            accuracy=float(self.confusion.trace() / max(1, self.confusion.sum())),
            per_class=per_class,
        )


class MultiLabelMeter:
    """Collects the labels of a task where any number of classes may hold, frame by frame."""

    def __init__(self, task: ClassificationTask) -> None:
        self.task = task
        self._found: list[NDArray[np.float32]] = []
        self._wanted: list[NDArray[np.bool_]] = []

    def add(self, found: Classification, wanted: Collection[str]) -> None:
        """`wanted`: all classes that hold; those that the task does not know count nowhere."""
        self._found.append(found.scores)
        self._wanted.append(np.array([name in wanted for name in self.task.classes]))

    @property
    def labels(self) -> int:
        """How many pictures were labelled."""
        return len(self._wanted)

    def result(self) -> MultiLabelAccuracy:
        shape = (len(self._found), len(self.task.classes))
        found = np.array(self._found, np.float32).reshape(shape)
        wanted = np.array(self._wanted, bool).reshape(shape)
        shown = found >= HOLDS
        held = np.asarray(wanted.any(axis=0))
        per_class = {
            name: scores((shown & wanted)[:, i].sum(), shown[:, i].sum(), wanted[:, i].sum())
            for i, name in enumerate(self.task.classes)
            if held[i]
        }
        return MultiLabelAccuracy(
            **msgspec.structs.asdict(macro(per_class.values())),
            map=mean(_average_precisions(found[:, held], wanted[:, held])),
            per_class=per_class,
        )


def _average_precisions(found: NDArray[np.float32], wanted: NDArray[np.bool_]) -> list[float]:
    """By class, of scores (N, C) and labels (N, C) that hold every class at least once."""
    if wanted.shape[1] == 0:
        return []
    average: list[float] = multilabel_average_precision(
        torch.from_numpy(found),
        torch.from_numpy(wanted).long(),
        wanted.shape[1],
        average=None,
        validate_args=False,
    ).tolist()
    return average
