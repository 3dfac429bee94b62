"""The labels of a data set, put into the class ids of a `ModelSpec`."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import UsageError
from edge_mtl.spec import ModelSpec

_UNKNOWN = -1


class Alignment:
    """Maps samples of one vocabulary to the ids of one spec, class by class by name.

    A mask is kept where a segmentation task of the spec has its name; classes that the task lacks
    become `IGNORE`. Boxes are kept where the spec has a detection task; boxes of classes that it
    lacks are dropped. What shares no class with its task is dropped whole (no mask; `boxes` None),
    so that it gives no loss rather than a loss that says "nothing is here".

    Raises:
        UsageError: the vocabulary labels nothing that the spec has, or the spec has several
            detection tasks, where a sample has one set of boxes.
    """

    def __init__(self, vocabulary: Vocabulary, spec: ModelSpec) -> None:
        self._mask_tables: dict[str, NDArray[np.uint8] | None] = {}
        for task in spec.segmentations:
            classes = vocabulary.masks.get(task.name, ())
            table = np.full(256, IGNORE, np.uint8)
            for source, target in _shared(classes, task.classes):
                table[source] = target
            if (table != IGNORE).any():
                # None: the ids are the same already and the mask needs no pass.
                same = classes == task.classes
                self._mask_tables[task.name] = None if same else table
        self._box_table = _box_table(vocabulary, spec)
        if not self._mask_tables and self._box_table is None:
            raise UsageError(_nothing_shared(vocabulary, spec))

    def __call__(self, sample: Sample) -> Sample:
        """The same image with its labels in the spec's ids; arrays may be shared with `sample`."""
        masks = {
            name: sample.masks[name]
            if table is None
            else cv2.LUT(sample.masks[name], table).astype(np.uint8, copy=False)
            for name, table in self._mask_tables.items()
            if name in sample.masks
        }
        return dataclasses.replace(sample, masks=masks, boxes=self._aligned(sample.boxes))

    def _aligned(self, boxes: Boxes | None) -> Boxes | None:
        if boxes is None or self._box_table is None:
            return None
        class_ids = self._box_table[boxes.class_ids]
        known = class_ids != _UNKNOWN
        return Boxes(
            corners=boxes.corners[known],
            class_ids=class_ids[known],
            keypoints=None if boxes.keypoints is None else boxes.keypoints[known],
        )


def align(sample: Sample, vocabulary: Vocabulary, spec: ModelSpec) -> Sample:
    """`Alignment(vocabulary, spec)(sample)`, for a single sample."""
    return Alignment(vocabulary, spec)(sample)


def _shared(source: tuple[str, ...], target: tuple[str, ...]) -> list[tuple[int, int]]:
    """(id in source, id in target) of every class that both know."""
    ids = {name: target_id for target_id, name in enumerate(target)}
    return [(source_id, ids[name]) for source_id, name in enumerate(source) if name in ids]


def _box_table(vocabulary: Vocabulary, spec: ModelSpec) -> NDArray[np.int64] | None:
    """By box class of the vocabulary, the spec's id of it; None where they share none."""
    if len(spec.detections) > 1:
        names = ", ".join(task.name for task in spec.detections)
        raise UsageError(
            f"spec {spec.name!r}: a sample has one set of boxes, so data can train one detection "
            f"task, found {names}; join their classes in one task"
        )
    pairs = [pair for task in spec.detections for pair in _shared(vocabulary.boxes, task.classes)]
    if not pairs:
        return None
    table = np.full(len(vocabulary.boxes), _UNKNOWN, np.int64)
    for source, target in pairs:
        table[source] = target
    return table


def _nothing_shared(vocabulary: Vocabulary, spec: ModelSpec) -> str:
    labels = [f"{name} ({', '.join(classes)})" for name, classes in vocabulary.masks.items()]
    if vocabulary.boxes:
        labels.append(f"boxes ({', '.join(vocabulary.boxes)})")
    tasks = [f"{task.name} ({', '.join(task.classes)})" for task in spec.tasks]
    return (
        f"the data labels nothing that spec {spec.name!r} has: expected labels for "
        f"{'; '.join(tasks)}, found {'; '.join(labels) or 'none'}; rename the tasks and classes "
        "of the spec as the data set calls them, or choose another data set"
    )
