"""`Labelled`: a data set with what teachers add to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.boxes import joined_boxes, no_boxes
from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import UsageError
from edge_mtl.labelling.confidence import (
    Confidence,
    attribute_label,
    box_labels,
    keypoint_labels,
    mask_label,
)
from edge_mtl.labelling.teacher import Findings, FoundBoxes, PoseTeacher, Teacher
from edge_mtl.labelling.views import merged
from edge_mtl.tasks import KEYPOINTS

PEOPLE = ("person", "pedestrian")
"""The box classes that pose teachers look at, as readers and networks call them."""

_SAME_OBJECT_IOU = 0.5
_UNUSED = ""  # in the place of a box class that does not count


class Labelled:
    """The samples of a data set, their labels kept, and what is missing filled by teachers.

    A mask that a sample has stays as it is, its unlabelled pixels too: its data set looked at them.
    Boxes are filled by class: those of a class that nobody searched the picture for. Keypoints are
    filled for people who have none, attributes where the sample does not say and the teacher knows
    the same values. Where two teachers would fill the same, the first does.

    Classes are the same where they have the same name; ids of the data set stay, those that a
    teacher adds come after them.

    renamed: new names of box classes by those that teachers give them.
    only: the box classes of teachers, by their own names, that count; all where it is empty.
        Doubtful boxes of other classes would only keep a student from learning what is not there.

    Raises:
        UsageError: no teacher has a class that is named, or there are too many classes.
    """

    def __init__(
        self,
        dataset: Dataset,
        teachers: Sequence[Teacher],
        pose_teachers: Sequence[PoseTeacher] = (),
        confidence: Confidence | None = None,
        renamed: Mapping[str, str] | None = None,
        only: Collection[str] = (),
    ) -> None:
        names = [*(each.name for each in teachers), *(each.name for each in pose_teachers)]
        self.name = f"{dataset.name}, labelled by {' and '.join(names)}"
        known = _chosen([each.vocabulary for each in teachers], renamed or {}, only)
        self.vocabulary = _joined([dataset.vocabulary, *known])
        self._dataset = dataset
        self._teachers = [
            (each, _Filler(own, self.vocabulary)) for each, own in zip(teachers, known, strict=True)
        ]
        self._pose_teachers = pose_teachers
        self._confidence = confidence or Confidence()

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self._dataset[index]
        sample = replace(sample, boxes=self._with_classes_added(sample.boxes))
        for teacher, fill in self._teachers:
            sample = fill(sample, teacher(sample.image), self._confidence)
        boxes = sample.boxes
        if boxes is None:
            return sample
        for pose_teacher in self._pose_teachers:
            boxes = self._posed(sample.image, boxes, pose_teacher)
        if boxes.searched is not None and boxes.searched.all():
            boxes = replace(boxes, searched=None)
        return replace(sample, boxes=boxes)

    def _with_classes_added(self, boxes: Boxes | None) -> Boxes | None:
        """Boxes of the data set; nobody has searched for the classes that only teachers know."""
        if boxes is None:
            return None
        own = len(self._dataset.vocabulary.boxes)
        searched = np.zeros(len(self.vocabulary.boxes), np.bool_)
        searched[:own] = True if boxes.searched is None else boxes.searched
        return replace(boxes, searched=searched)

    def _posed(self, image: NDArray[np.uint8], boxes: Boxes, pose_teacher: PoseTeacher) -> Boxes:
        keypoints = np.zeros((len(boxes.class_ids), len(KEYPOINTS), 3), np.float32)
        if boxes.keypoints is not None:
            keypoints[:] = boxes.keypoints
        people = [number for number, name in enumerate(self.vocabulary.boxes) if name in PEOPLE]
        bare = np.isin(boxes.class_ids, people) & ~(keypoints[:, :, 2] > 0).any(1)
        if not bare.any():
            return boxes
        points = pose_teacher.keypoints(image, boxes.corners[bare])
        size = image.shape[1], image.shape[0]
        keypoints[bare] = keypoint_labels(points, size, self._confidence)
        return replace(boxes, keypoints=keypoints)


class _Filler:
    """Puts what one teacher found, in its `own` ids, into samples in the `joined` ids."""

    def __init__(self, own: Vocabulary, joined: Vocabulary) -> None:
        self._mask_tables = {
            name: _table(classes, joined.masks[name]) for name, classes in own.masks.items()
        }
        self._used = np.array([name != _UNUSED for name in own.boxes], np.bool_)
        ids = {name: number for number, name in enumerate((*joined.boxes, _UNUSED))}
        self._box_ids = np.array([ids[name] for name in own.boxes], np.int64)
        self._classes = len(joined.boxes)
        self._values = {
            name: values
            for name, values in own.attributes.items()
            if set(values) == set(joined.attributes[name])
        }

    def __call__(self, sample: Sample, found: Findings, confidence: Confidence) -> Sample:
        masks = {
            name: cv2.LUT(mask_label(found.masks[name], confidence), table)
            for name, table in self._mask_tables.items()
            if name not in sample.masks
        }
        attributes = {
            name: attribute_label(found.attributes[name], values, confidence)
            for name, values in self._values.items()
            if name not in sample.attributes
        }
        sure = {name: value for name, value in attributes.items() if value is not None}
        boxes = sample.boxes
        if found.boxes is not None:
            size = sample.image.shape[1], sample.image.shape[0]
            boxes = self._with_missing(boxes, found.boxes, size, confidence)
        return replace(
            sample,
            masks={**sample.masks, **masks},
            boxes=boxes,
            attributes={**sample.attributes, **sure},
        )

    def _with_missing(
        self,
        boxes: Boxes | None,
        found: FoundBoxes,
        size: tuple[int, int],
        confidence: Confidence,
    ) -> Boxes:
        if boxes is None:
            boxes = replace(no_boxes(), searched=np.zeros(self._classes, np.bool_))
        searched = boxes.searched
        assert searched is not None  # as `Labelled` hands them over
        class_ids = self._box_ids[found.class_ids]
        missing = self._used[found.class_ids]
        missing[missing] = ~searched[class_ids[missing]]
        points = None if found.points is None else found.points[missing]
        new = FoundBoxes(found.corners[missing], class_ids[missing], found.scores[missing], points)
        # What the teacher calls a car and a truck is one vehicle where both have that name.
        new = merged([new], _SAME_OBJECT_IOU)
        searched = searched.copy()
        searched[self._box_ids[self._used]] = True
        return replace(
            joined_boxes(boxes, box_labels(new, size, confidence)),
            searched=searched,
        )


def _table(classes: tuple[str, ...], joined: tuple[str, ...]) -> NDArray[np.uint8]:
    """(256,): by id in `classes`, the id in `joined`."""
    table = np.full(256, IGNORE, np.uint8)
    table[: len(classes)] = [joined.index(name) for name in classes]
    return table


def _chosen(
    vocabularies: Sequence[Vocabulary], names: Mapping[str, str], only: Collection[str]
) -> list[Vocabulary]:
    """The same with other names of box classes, several of which may be the same, and `_UNUSED`
    for those that do not count."""
    classes = dict.fromkeys(name for each in vocabularies for name in each.boxes)
    for name in (*names, *only):
        if name not in classes:
            raise UsageError(
                f"expected a box class of a teacher, found {name!r}; they have "
                f"{', '.join(classes) or 'none'}"
            )
    new = {name: names.get(name, name) if name in only or not only else _UNUSED for name in classes}
    return [replace(each, boxes=tuple(new[name] for name in each.boxes)) for each in vocabularies]


def _joined(vocabularies: Sequence[Vocabulary]) -> Vocabulary:
    """All their classes, the ids and the planes of the first unchanged. An attribute has the
    values of the first that knows it: those of another would say of samples without them that they
    do not hold."""
    masks: dict[str, tuple[str, ...]] = {}
    boxes: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = {}
    for each in vocabularies:
        for name, classes in each.masks.items():
            masks[name] = tuple(dict.fromkeys((*masks.get(name, ()), *classes)))
            if len(masks[name]) > IGNORE:
                raise UsageError(
                    f"mask {name!r}: expected at most {IGNORE} classes over all teachers and the "
                    f"data, found {len(masks[name])}; label with fewer teachers"
                )
        boxes = tuple(dict.fromkeys((*boxes, *(n for n in each.boxes if n != _UNUSED))))
        attributes = {**each.attributes, **attributes}
    return Vocabulary(masks, boxes, attributes, vocabularies[0].planes)
