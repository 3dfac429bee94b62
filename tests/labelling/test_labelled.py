"""What is kept and what is filled, with teachers whose findings are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import UsageError
from edge_mtl.labelling.confidence import Confidence
from edge_mtl.labelling.labelled import Labelled
from edge_mtl.labelling.teacher import (
    Findings,
    FoundAttribute,
    FoundBoxes,
    FoundMask,
    PoseTeacher,
    Teacher,
)

SHAPE = (40, 60)


@dataclass
class OneSample:
    sample: Sample
    vocabulary: Vocabulary
    name: str = "data"

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int, /) -> Sample:
        return [self.sample][index]


@dataclass
class Written:
    """A teacher that always finds the same."""

    vocabulary: Vocabulary
    findings: Findings
    name: str = "teacher"

    def __call__(self, image: np.ndarray, /) -> Findings:
        return self.findings

    def close(self) -> None: ...


@dataclass
class Poser:
    """Finds every keypoint of a person in the middle of the box."""

    name: str = "poser"
    asked: list[np.ndarray] = field(default_factory=list)

    def keypoints(self, image: np.ndarray, corners: np.ndarray, /) -> np.ndarray:
        self.asked.append(corners)
        middle = (corners[:, :2] + corners[:, 2:]) / 2
        points = np.concatenate([middle, np.full((len(corners), 1), 0.8)], 1)
        return np.repeat(points[:, None], 17, 1).astype(np.float32)

    def close(self) -> None: ...


def blank(**labels: object) -> Sample:
    return Sample(image=np.zeros((*SHAPE, 3), np.uint8), name="0", **labels)  # type: ignore[arg-type]


def mask_of(class_id: int, confidence: float = 1.0) -> FoundMask:
    return FoundMask(np.full(SHAPE, class_id, np.uint8), np.full(SHAPE, confidence, np.float32))


def boxes_of(*rows: tuple[int, int, float]) -> FoundBoxes:
    """x1, class, score of boxes 10 pixels wide and high."""
    corners = np.array([[x, 5, x + 10, 15] for x, _, _ in rows], np.float32).reshape(-1, 4)
    class_ids = np.array([class_id for _, class_id, _ in rows], np.int64)
    return FoundBoxes(corners, class_ids, np.array([score for *_, score in rows], np.float32))


def label(
    sample: Sample,
    vocabulary: Vocabulary,
    teachers: Sequence[Teacher],
    posers: Sequence[PoseTeacher] = (),
    only: Sequence[str] = (),
    **renamed: str,
) -> tuple[Sample, Vocabulary]:
    labelled = Labelled(
        OneSample(sample, vocabulary), teachers, posers, Confidence(), renamed, only
    )
    return labelled[0], labelled.vocabulary


NOTHING = Vocabulary(masks={})


def test_what_nobody_labelled_is_labelled() -> None:
    teacher = Written(
        Vocabulary({"road": ("no", "yes")}, ("car", "bus"), {"time": ("day", "night")}),
        Findings(
            {"road": mask_of(1)},
            boxes_of((0, 1, 0.9), (20, 0, 0.4)),
            {"time": FoundAttribute(np.array([0.02, 0.98], np.float32), False)},
        ),
    )
    sample, vocabulary = label(blank(), NOTHING, [teacher])
    assert vocabulary == teacher.vocabulary
    assert_array_equal(sample.masks["road"], np.ones(SHAPE))
    assert sample.boxes is not None
    assert_array_equal(sample.boxes.class_ids, [1])
    assert_array_equal(sample.boxes.ignored, [[20, 5, 30, 15]])
    assert sample.boxes.searched is None
    assert sample.attributes == {"time": "night"}


def test_labels_of_the_data_are_kept() -> None:
    own = np.full(SHAPE, IGNORE, np.uint8)
    teacher = Written(
        Vocabulary({"road": ("yes", "no"), "lanes": ("no", "lane")}, (), {"time": ("day",)}),
        Findings(
            {"road": mask_of(0), "lanes": mask_of(1)},
            None,
            {"time": FoundAttribute(np.ones(1, np.float32), False)},
        ),
    )
    known = Vocabulary({"road": ("no", "yes")}, (), {"time": ("day", "night")})
    sample, vocabulary = label(
        blank(masks={"road": own}, attributes={"time": "night"}), known, [teacher]
    )
    assert sample.masks["road"] is own
    assert_array_equal(sample.masks["lanes"], np.ones(SHAPE))
    assert sample.attributes == {"time": "night"}
    assert vocabulary.attributes == {"time": ("day", "night")}
    assert sample.boxes is None


def test_classes_are_the_same_by_name_and_new_ones_come_last() -> None:
    teacher = Written(
        Vocabulary({"road": ("mud", "yes")}), Findings({"road": mask_of(0)}), name="first"
    )
    other = Written(Vocabulary({"road": ("yes",)}), Findings({"road": mask_of(0)}))
    known = Vocabulary({"road": ("no", "yes")})
    sample, vocabulary = label(blank(), known, [teacher, other])
    assert vocabulary.masks == {"road": ("no", "yes", "mud")}
    assert_array_equal(sample.masks["road"], np.full(SHAPE, 2))  # the first teacher's
    sample, _ = label(blank(), known, [other, teacher])
    assert_array_equal(sample.masks["road"], np.full(SHAPE, 1))


def test_unsure_pixels_stay_ignored_in_other_ids() -> None:
    teacher = Written(
        Vocabulary({"road": ("yes", "no")}), Findings({"road": mask_of(0, confidence=0.5)})
    )
    sample, _ = label(blank(), Vocabulary({"road": ("no", "yes")}), [teacher])
    assert_array_equal(sample.masks["road"], np.full(SHAPE, IGNORE))


def test_boxes_are_filled_by_class() -> None:
    """The data searched for cars, not for signs; the teacher also knows buses."""
    own = Boxes(
        np.array([[0, 0, 9, 9]], np.float32),
        np.array([0]),
        ignored=np.array([[50, 0, 60, 9]], np.float32),
        searched=np.array([True, False]),
    )
    known = Vocabulary({}, ("car", "sign"))
    teacher = Written(
        Vocabulary({}, ("bus", "car", "sign")),
        Findings(boxes=boxes_of((10, 0, 0.9), (20, 1, 0.9), (30, 2, 0.3), (40, 1, 0.3))),
    )
    sample, vocabulary = label(blank(boxes=own), known, [teacher])
    assert vocabulary.boxes == ("car", "sign", "bus")
    assert sample.boxes is not None
    assert_array_equal(sample.boxes.corners, [[0, 0, 9, 9], [10, 5, 20, 15]])
    assert_array_equal(sample.boxes.class_ids, [0, 2])
    # A doubtful car is none: the data says so. A doubtful sign is.
    assert_array_equal(sample.boxes.ignored, [[50, 0, 60, 9], [30, 5, 40, 15]])
    assert sample.boxes.searched is None


def test_classes_that_no_teacher_looks_for_stay_unsearched() -> None:
    teacher = Written(Vocabulary({}, ("bus",)), Findings(boxes=boxes_of()))
    sample, _ = label(blank(), Vocabulary({}, ("car",)), [teacher])
    assert sample.boxes is not None
    assert_array_equal(sample.boxes.searched, [False, True])


def test_renamed_classes_are_those_of_the_data() -> None:
    own = Boxes(np.array([[0, 0, 9, 9]], np.float32), np.array([0]))
    teacher = Written(
        Vocabulary({}, ("person", "truck", "car")),
        Findings(boxes=boxes_of((10, 0, 0.9), (20, 1, 0.9), (30, 2, 0.9))),
    )
    known = Vocabulary({}, ("pedestrian",))
    sample, vocabulary = label(blank(boxes=own), known, [teacher], person="pedestrian", truck="car")
    assert vocabulary.boxes == ("pedestrian", "car")
    assert sample.boxes is not None
    assert_array_equal(sample.boxes.class_ids, [0, 1, 1])
    with pytest.raises(UsageError, match="found 'peson'; they have person, truck, car"):
        label(blank(), known, [teacher], peson="pedestrian")


def test_a_thing_that_has_two_names_of_the_teacher_is_labelled_once() -> None:
    teacher = Written(
        Vocabulary({}, ("truck", "car")),
        Findings(boxes=boxes_of((10, 0, 0.6), (11, 1, 0.9), (30, 1, 0.7), (31, 0, 0.3))),
    )
    sample, _ = label(blank(), NOTHING, [teacher], truck="car")
    assert sample.boxes is not None
    assert_array_equal(sample.boxes.corners[:, 0], [11, 30])
    assert len(sample.boxes.ignored) == 0
    sample, _ = label(blank(), NOTHING, [teacher])
    assert sample.boxes is not None
    assert len(sample.boxes.corners) == 3


def test_classes_that_do_not_count_leave_nothing() -> None:
    teacher = Written(
        Vocabulary({}, ("vase", "person", "car")),
        Findings(boxes=boxes_of((10, 0, 0.9), (20, 0, 0.3), (30, 1, 0.9), (40, 2, 0.9))),
    )
    known = Vocabulary({}, ("sign",))
    sample, vocabulary = label(blank(), known, [teacher], only=("person",), person="pedestrian")
    assert vocabulary.boxes == ("sign", "pedestrian")
    assert sample.boxes is not None
    assert_array_equal(sample.boxes.corners, [[30, 5, 40, 15]])
    assert_array_equal(sample.boxes.class_ids, [1])
    assert len(sample.boxes.ignored) == 0
    assert_array_equal(sample.boxes.searched, [False, True])
    with pytest.raises(UsageError, match="found 'cup'; they have vase, person, car"):
        label(blank(), known, [teacher], only=("cup",))


def test_people_without_keypoints_get_some() -> None:
    keypoints = np.zeros((3, 17, 3), np.float32)
    keypoints[0, 4] = 3, 3, 1
    own = Boxes(
        np.array([[0, 0, 9, 9], [10, 0, 20, 30], [30, 0, 40, 10]], np.float32),
        np.array([1, 1, 0]),
        keypoints=keypoints,
    )
    poser = Poser()
    sample, _ = label(blank(boxes=own), Vocabulary({}, ("car", "pedestrian")), [], [poser])
    assert sample.boxes is not None
    assert sample.boxes.keypoints is not None
    assert_array_equal(poser.asked[0], [[10, 0, 20, 30]])
    assert_array_equal(sample.boxes.keypoints[0], keypoints[0])
    assert_array_equal(sample.boxes.keypoints[1], np.tile([15, 15, 2], (17, 1)))
    assert not sample.boxes.keypoints[2].any()
    assert not keypoints[1].any()  # the data set's own array is as it was


def test_a_pose_teacher_looks_at_the_people_that_a_teacher_found() -> None:
    teacher = Written(Vocabulary({}, ("person",)), Findings(boxes=boxes_of((20, 0, 0.9))))
    sample, _ = label(blank(), NOTHING, [teacher], [Poser()])
    assert sample.boxes is not None
    assert sample.boxes.keypoints is not None
    assert_array_equal(sample.boxes.keypoints[0, 0], [25, 10, 2])


def test_an_attribute_with_other_values_is_not_mixed() -> None:
    """The teacher's "fog" would say of every sample of the data that there was none."""
    teacher = Written(
        Vocabulary({}, (), {"weather": ("rain", "fog")}),
        Findings(attributes={"weather": FoundAttribute(np.array([0, 1.0]), several=True)}),
    )
    sample, vocabulary = label(blank(), Vocabulary({}, (), {"weather": ("rain",)}), [teacher])
    assert vocabulary.attributes == {"weather": ("rain",)}
    assert sample.attributes == {}


def test_more_classes_than_a_mask_can_hold() -> None:
    names = [tuple(f"{letter}{i}" for i in range(200)) for letter in "ab"]
    teacher = Written(Vocabulary({"road": names[0]}), Findings({"road": mask_of(0)}))
    with pytest.raises(UsageError, match=r"at most 255 classes .*, found 400"):
        label(blank(), Vocabulary({"road": names[1]}), [teacher])
