import numpy as np
import pytest

from edge_mtl.data.clip import boxes_in_image
from edge_mtl.tasks import KEYPOINTS

SIZE = 64, 48


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((5, 6, 20, 30), (5, 6, 20, 30)),
        ((-8, -9, 10, 10), (0, 0, 10, 10)),
        ((50, 40, 99, 99), (50, 40, 64, 48)),
        ((0, 0, 64, 48), (0, 0, 64, 48)),
        ((10, 10, 11, 11), (10, 10, 11, 11)),
        ((70, 10, 80, 20), None),  # beside the image
        ((-20, 10, 0.5, 20), None),  # half a pixel of it is left
        ((20, 10, 10, 30), None),  # corners swapped
        ((20, 10, 20, 30), None),  # no width
    ],
)
def test_a_box_is_cut_at_the_edges_or_dropped(box, expected):
    boxes = boxes_in_image([box], [3], SIZE, ignored=[box])
    assert boxes.corners.tolist() == ([] if expected is None else [list(expected)])
    assert boxes.ignored.tolist() == boxes.corners.tolist()
    assert boxes.class_ids.tolist() == ([] if expected is None else [3])
    assert (boxes.corners.dtype, boxes.class_ids.dtype) == (np.float32, np.int64)


def test_keypoints_stay_with_their_boxes_and_outside_become_unlabelled():
    keypoints = np.zeros((2, len(KEYPOINTS), 3))
    keypoints[0, 0] = 1, 2, 2
    keypoints[1, :4] = (63.5, 47.5, 2), (64, 10, 2), (10, -1, 1), (10, 10, 0)
    boxes = boxes_in_image([(70, 0, 80, 9), (50, 40, 70, 60)], [0, 1], SIZE, keypoints)
    assert boxes.class_ids.tolist() == [1]
    assert boxes.keypoints.shape == (1, len(KEYPOINTS), 3)
    assert boxes.keypoints[0, 0].tolist() == [63.5, 47.5, 2]
    assert not boxes.keypoints[0, 1:].any()


def test_an_image_without_boxes():
    boxes = boxes_in_image([], [], SIZE)
    assert boxes.corners.shape == (0, 4)
    assert boxes.ignored.shape == (0, 4)
    assert boxes.keypoints is None
    assert boxes_in_image([], [], SIZE, keypoints=[]).keypoints.shape == (0, len(KEYPOINTS), 3)
