import numpy as np
import pytest

from edge_mtl.data.boxes import joined_boxes, moved, taken
from edge_mtl.data.sample import Boxes
from edge_mtl.tasks import KEYPOINTS


def boxes_of(count, keypoints=False, searched=None):
    points = None
    if keypoints:
        points = np.zeros((count, len(KEYPOINTS), 3), np.float32)
        points[:, 0] = 5, 6, 2
    return Boxes(
        np.tile(np.array([[1, 2, 11, 22]], np.float32), (count, 1)),
        np.arange(count),
        points,
        ignored=np.array([[0, 0, 3, 4]], np.float32),
        searched=None if searched is None else np.array(searched),
    )


def test_moving_moves_all_but_what_is_not_labelled():
    found = moved(boxes_of(2, keypoints=True), (10, -1))
    assert found.corners.tolist() == [[11, 1, 21, 21]] * 2
    assert found.ignored.tolist() == [[10, -1, 13, 3]]
    assert found.keypoints[:, 0].tolist() == [[15, 5, 2]] * 2
    assert not found.keypoints[:, 1:].any()
    assert found.keypoints.dtype == found.corners.dtype == np.float32


def test_taking_some_keeps_what_is_said_of_the_picture():
    found = taken(boxes_of(3, keypoints=True, searched=[True, False]), np.array([2, 0]))
    assert found.class_ids.tolist() == [2, 0]
    assert found.corners.shape == (2, 4)
    assert found.keypoints.shape == (2, 17, 3)
    assert found.ignored.tolist() == [[0, 0, 3, 4]]
    assert found.searched.tolist() == [True, False]


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        (None, None, None),
        ([True, False], None, [True, False]),
        (None, [True, False], [True, False]),
        ([True, True, False], [False, True, False], [False, True, False]),
    ],
)
def test_a_class_was_searched_for_where_it_was_in_both(left, right, both):
    searched = joined_boxes(boxes_of(1, searched=left), boxes_of(1, searched=right)).searched
    assert (None if searched is None else searched.tolist()) == both


def test_joining_fills_the_keypoints_of_those_that_have_none():
    joint = joined_boxes(boxes_of(1), boxes_of(2, keypoints=True))
    assert joint.corners.shape == (3, 4)
    assert joint.ignored.shape == (2, 4)
    assert joint.keypoints[:, 0, 2].tolist() == [0, 2, 2]
    assert joined_boxes(boxes_of(1), boxes_of(2)).keypoints is None
