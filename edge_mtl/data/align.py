"""The labels of a data set, put into the class ids of a `ModelSpec`."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import UsageError
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import ClassificationTask

_UNKNOWN = -1


class Alignment:
    """Maps samples of one vocabulary to the ids of one spec, class by class by name.

    A mask is kept where a segmentation task of the spec has its name; classes that the task lacks
    become `IGNORE`. Boxes are kept where the spec has a detection task; boxes of classes that it
    lacks are dropped, and classes of it that the data lacks are marked as not searched. Keypoints
    are kept where the spec has a pose task. An attribute is kept where a classification task has
    its name: the value, where the task has it among its classes; of a task of any number of
    classes a tuple of those that hold, where the data knows every class of the task, since it
    could not say that the others do not hold. Of the planes those of the spec are kept.

    What shares no class with its task is dropped whole (no mask; `boxes` None), so that it gives no
    loss rather than a loss that says "nothing is here".

    unlabelled_ok: take data that labels nothing of the spec, to be labelled by a teacher.

    Raises:
        UsageError: the vocabulary labels nothing that the spec has, or the spec has several
            detection tasks, where a sample has one set of boxes.
    """

    def __init__(
        self, vocabulary: Vocabulary, spec: ModelSpec, *, unlabelled_ok: bool = False
    ) -> None:
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
        self._boxes = _BoxAlignment.of(vocabulary, spec)
        self._planes = [plane.name for plane in spec.planes]
        self._attributes = [task for task in spec.classifications if _is_known(task, vocabulary)]
        shared = self._mask_tables or self._boxes or self._attributes
        if not shared and not unlabelled_ok:
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
        boxes = None
        if self._boxes is not None and sample.boxes is not None:
            boxes = self._boxes(sample.boxes)
        values = {task.name: _value(task, sample) for task in self._attributes}
        attributes = {name: value for name, value in values.items() if value is not None}
        planes = {name: sample.planes[name] for name in self._planes if name in sample.planes}
        return dataclasses.replace(
            sample, masks=masks, boxes=boxes, attributes=attributes, planes=planes
        )


def align(sample: Sample, vocabulary: Vocabulary, spec: ModelSpec) -> Sample:
    """`Alignment(vocabulary, spec)(sample)`, for a single sample."""
    return Alignment(vocabulary, spec)(sample)


@dataclasses.dataclass(frozen=True, slots=True)
class _BoxAlignment:
    """table: by box class of the vocabulary, the spec's id of it or `_UNKNOWN`.
    targets: how many classes the task has."""

    table: NDArray[np.int64]
    targets: int
    keypoints: bool

    @staticmethod
    def of(vocabulary: Vocabulary, spec: ModelSpec) -> _BoxAlignment | None:
        """None where vocabulary and spec share no box class."""
        if len(spec.box_tasks) > 1:
            names = ", ".join(task.name for task in spec.box_tasks)
            raise UsageError(
                f"spec {spec.name!r}: a sample has one set of boxes, so data can train one "
                f"detection task, found {names}; join their classes in one task"
            )
        for task in spec.box_tasks:
            table = np.full(len(vocabulary.boxes), _UNKNOWN, np.int64)
            for source, target in _shared(vocabulary.boxes, task.classes):
                table[source] = target
            if (table != _UNKNOWN).any():
                return _BoxAlignment(table, len(task.classes), bool(spec.poses))
        return None

    def __call__(self, boxes: Boxes) -> Boxes:
        class_ids = self.table[boxes.class_ids]
        known = class_ids != _UNKNOWN
        searched = np.zeros(self.targets, bool)
        shared = self.table != _UNKNOWN
        searched[self.table[shared]] = True if boxes.searched is None else boxes.searched[shared]
        keypoints = boxes.keypoints if self.keypoints else None
        return Boxes(
            corners=boxes.corners[known],
            class_ids=class_ids[known],
            keypoints=None if keypoints is None else keypoints[known],
            ignored=boxes.ignored,
            searched=None if searched.all() else searched,
        )


def _shared(source: tuple[str, ...], target: tuple[str, ...]) -> list[tuple[int, int]]:
    """(id in source, id in target) of every class that both know."""
    ids = {name: target_id for target_id, name in enumerate(target)}
    return [(source_id, ids[name]) for source_id, name in enumerate(source) if name in ids]


def _is_known(task: ClassificationTask, vocabulary: Vocabulary) -> bool:
    """Whether a data set can say something of a task."""
    values = set(vocabulary.attributes.get(task.name, ()))
    return values.issuperset(task.classes) if task.multi_label else bool(values & {*task.classes})


def _value(task: ClassificationTask, sample: Sample) -> str | tuple[str, ...] | None:
    """What a sample says of a task, in the task's own classes; None where it does not say."""
    value = sample.attributes.get(task.name)
    if value is None:
        return None
    held = [
        each for each in ((value,) if isinstance(value, str) else value) if each in task.classes
    ]
    if task.multi_label:
        return tuple(held)
    return held[0] if len(held) == 1 else None


def _nothing_shared(vocabulary: Vocabulary, spec: ModelSpec) -> str:
    groups = {**vocabulary.masks, **vocabulary.attributes}
    labels = [f"{name} ({', '.join(classes)})" for name, classes in groups.items()]
    if vocabulary.boxes:
        labels.append(f"boxes ({', '.join(vocabulary.boxes)})")
    tasks = [f"{task.name} ({', '.join(task.classes)})" for task in spec.tasks]
    return (
        f"the data labels nothing that spec {spec.name!r} has: expected labels for "
        f"{'; '.join(tasks)}, found {'; '.join(labels) or 'none'}; give both the same names, "
        "by a class map of the data or in the spec, or choose another data set"
    )
