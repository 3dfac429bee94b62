import dataclasses

import numpy as np
import pytest

from edge_mtl.data.align import Alignment, align
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import UsageError
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import KEYPOINTS, ClassificationTask, DetectionTask, PoseTask, SegmentationTask

VOCABULARY = Vocabulary(
    masks={"segmentation": ("Sky", "Road", "Car"), "lanes": ("background", "lane")},
    boxes=("car", "sign", "person"),
    attributes={"time": ("day", "night"), "present": ("car", "sign", "person")},
)


def spec(*tasks):
    return ModelSpec(
        name="test", input=InputSpec(width=64, height=32), backbone="edgenet", tasks=tasks
    )


@pytest.fixture
def sample():
    return Sample(
        image=np.zeros((2, 3, 3), np.uint8),
        name="frame",
        masks={
            "segmentation": np.array([[0, 1, 2], [2, IGNORE, 1]], np.uint8),
            "lanes": np.array([[0, 1, 0], [1, 1, IGNORE]], np.uint8),
        },
        boxes=Boxes(
            corners=np.arange(12, dtype=np.float32).reshape(3, 4),
            class_ids=np.array([2, 1, 0]),
            keypoints=np.ones((3, len(KEYPOINTS), 3), np.float32)
            * np.arange(3, dtype=np.float32)[:, None, None],
            ignored=np.array([[1, 1, 2, 2]], np.float32),
        ),
        attributes={"time": "night", "present": ("car", "person")},
    )


def test_masks_and_boxes_get_the_ids_of_the_spec_by_name(sample):
    aligned = align(
        sample,
        VOCABULARY,
        spec(
            SegmentationTask(name="segmentation", classes=("Car", "Tree", "Road")),
            DetectionTask(classes=("person", "bus", "car")),
        ),
    )
    assert list(aligned.masks) == ["segmentation"]
    assert aligned.masks["segmentation"].tolist() == [[IGNORE, 2, 0], [0, IGNORE, 2]]
    assert aligned.boxes.class_ids.tolist() == [0, 2]
    assert aligned.boxes.corners.tolist() == [[0, 1, 2, 3], [8, 9, 10, 11]]
    assert aligned.image is sample.image


def test_equal_classes_cost_nothing(sample):
    aligned = align(
        sample, VOCABULARY, spec(SegmentationTask(name="lanes", classes=("background", "lane")))
    )
    assert aligned.masks["lanes"] is sample.masks["lanes"]
    assert aligned.boxes is None


def test_a_longer_spec_keeps_ids_and_ignores_the_rest(sample):
    longer = spec(SegmentationTask(name="segmentation", classes=("Sky", "Road", "Car", "Tree")))
    aligned = align(sample, VOCABULARY, longer)
    np.testing.assert_array_equal(aligned.masks["segmentation"], sample.masks["segmentation"])


def test_classes_that_the_data_lacks_were_not_searched(sample):
    more = spec(DetectionTask(classes=("person", "bus", "car")))
    assert align(sample, VOCABULARY, more).boxes.searched.tolist() == [True, False, True]
    known = spec(DetectionTask(classes=("person", "car")))
    assert align(sample, VOCABULARY, known).boxes.searched is None


def test_what_was_searched_in_one_image_gets_the_ids_of_the_spec(sample):
    task = DetectionTask(classes=("person", "bus", "car"))
    boxes = dataclasses.replace(sample.boxes, searched=np.array([False, True, True]))
    searched = align(dataclasses.replace(sample, boxes=boxes), VOCABULARY, spec(task)).boxes
    assert searched.searched.tolist() == [True, False, False]


def test_areas_to_ignore_pass_and_keypoints_need_a_pose_task(sample):
    detection = DetectionTask(classes=("person", "car"))
    boxes = align(sample, VOCABULARY, spec(detection)).boxes
    assert boxes.ignored.tolist() == [[1, 1, 2, 2]]
    assert boxes.keypoints is None
    pose = align(sample, VOCABULARY, spec(detection, PoseTask(classes=("person",)))).boxes
    assert pose.keypoints[:, 0, 0].tolist() == [0, 2]


def test_attributes_need_a_task_of_their_name(sample):
    time = ClassificationTask(name="time", classes=("dusk", "night"))
    aligned = align(sample, VOCABULARY, spec(time))
    assert aligned.attributes == {"time": "night"}
    assert (aligned.masks, aligned.boxes) == ({}, None)
    day = dataclasses.replace(sample, attributes={"time": "day"})
    assert align(day, VOCABULARY, spec(time)).attributes == {}
    assert align(Sample(sample.image, "bare"), VOCABULARY, spec(time)).attributes == {}


def test_any_number_of_values_may_hold_where_the_data_knows_them_all(sample):
    present = ClassificationTask(name="present", classes=("person", "sign"), multi_label=True)
    lanes = SegmentationTask(name="lanes", classes=("background", "lane"))
    assert align(sample, VOCABULARY, spec(present)).attributes == {"present": ("person",)}
    none = dataclasses.replace(sample, attributes={"present": ()})
    assert align(none, VOCABULARY, spec(present)).attributes == {"present": ()}
    # Nobody looked for trees, so that no value could say there are none.
    more = ClassificationTask(name="present", classes=("person", "tree"), multi_label=True)
    assert align(sample, VOCABULARY, spec(more, lanes)).attributes == {}


def test_one_value_and_several_become_what_the_task_takes(sample):
    several = ClassificationTask(name="time", classes=("day", "night"), multi_label=True)
    assert align(sample, VOCABULARY, spec(several)).attributes == {"time": ("night",)}
    one = ClassificationTask(name="present", classes=("car", "sign"))
    assert align(sample, VOCABULARY, spec(one)).attributes == {"present": "car"}
    both = ClassificationTask(name="present", classes=("car", "person"))
    assert align(sample, VOCABULARY, spec(both)).attributes == {}


def test_data_without_labels_is_taken_where_that_is_asked_for(sample):
    task = DetectionTask(classes=("car",))
    nothing = Vocabulary(masks={})
    with pytest.raises(UsageError, match=r"expected labels for detection \(car\), found none;"):
        Alignment(nothing, spec(task))
    aligned = Alignment(nothing, spec(task), unlabelled_ok=True)(Sample(sample.image, "bare"))
    assert (aligned.masks, aligned.boxes, aligned.attributes) == ({}, None, {})


def test_boxes_of_no_shared_class_give_no_loss_rather_than_an_empty_picture(sample):
    tasks = (
        SegmentationTask(name="lanes", classes=("background", "lane")),
        DetectionTask(classes=("bus",)),
    )
    assert align(sample, VOCABULARY, spec(*tasks)).boxes is None
    known = align(sample, VOCABULARY, spec(DetectionTask(classes=("bus", "car")))).boxes
    assert known.class_ids.tolist() == [1]


def test_a_sample_may_lack_labels_of_its_vocabulary(sample):
    bare = Sample(image=sample.image, name="bare")
    aligned = align(
        bare,
        VOCABULARY,
        spec(
            SegmentationTask(name="segmentation", classes=("Road",)),
            DetectionTask(classes=("car",)),
        ),
    )
    assert aligned.masks == {}
    assert aligned.boxes is None


@pytest.mark.parametrize(
    "tasks",
    [
        (SegmentationTask(name="drivable", classes=("background", "drivable")),),
        (SegmentationTask(name="segmentation", classes=("Lake",)), DetectionTask(classes=("bus",))),
        (ClassificationTask(name="time", classes=("dawn",)),),
    ],
)
def test_data_that_labels_nothing_of_the_spec_is_an_error(tasks):
    with pytest.raises(
        UsageError,
        match=r"labels nothing .*'test'.*found segmentation \(Sky, Road, Car\); .*"
        r"time \(day, night\); .*boxes \(car",
    ):
        Alignment(VOCABULARY, spec(*tasks))


def test_two_detection_tasks_cannot_share_one_set_of_boxes():
    tasks = (DetectionTask(classes=("car",)), DetectionTask(name="signs", classes=("sign",)))
    with pytest.raises(UsageError, match="one detection task, found detection, signs"):
        Alignment(VOCABULARY, spec(*tasks))
