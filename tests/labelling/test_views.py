from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from edge_mtl.labelling.teacher import FoundBoxes
from edge_mtl.labelling.views import merged, mirrored
from edge_mtl.tasks import KEYPOINTS


def boxes(*rows: tuple[float, float, float, float, int, float]) -> FoundBoxes:
    """x1 y1 x2 y2, class, score."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return FoundBoxes(table[:, :4], table[:, 4].astype(np.int64), table[:, 5])


def test_of_one_view_the_best_of_what_overlaps_stays() -> None:
    view = boxes(
        (0, 0, 10, 10, 0, 0.6),
        (1, 0, 11, 10, 0, 0.9),  # IoU 9 / 11 with the first
        (1, 0, 11, 10, 1, 0.7),  # another class
        (40, 0, 50, 10, 0, 0.8),  # elsewhere
    )
    found = merged([view], 0.5)
    assert_allclose(found.scores, [0.9, 0.8, 0.7])
    assert_array_equal(found.class_ids, [0, 0, 1])
    assert_array_equal(found.corners[:, 0], [1, 40, 1])


def test_an_object_is_as_sure_as_the_views_are_on_the_average() -> None:
    first = boxes((0, 0, 10, 10, 0, 0.9), (40, 0, 50, 10, 0, 0.8))
    second = boxes((1, 0, 11, 10, 0, 0.5), (80, 0, 90, 10, 0, 0.6))
    found = merged([first, second], 0.5)
    assert_allclose(found.scores, [0.7, 0.4, 0.3])
    assert_array_equal(found.corners[:, 0], [0, 40, 80])


def test_a_double_does_not_borrow_the_score_of_what_it_doubles() -> None:
    """It overlaps the object at 0.4, and a worse box of the object, long suppressed, at 0.6."""
    view = boxes((0, 0, 10, 10, 0, 0.9), (2.5, 0, 12.5, 10, 0, 0.8), (4.3, 0, 14.3, 10, 0, 0.2))
    assert_allclose(merged([view, view], 0.5).scores, [0.9, 0.2])


def test_views_may_find_nothing() -> None:
    found = merged([boxes(), boxes()], 0.5)
    assert found.corners.shape == (0, 4)
    found = merged([boxes((0, 0, 10, 10, 0, 0.8)), boxes()], 0.5)
    assert_allclose(found.scores, [0.4])


def test_the_keypoints_are_those_of_the_better_box() -> None:
    points = np.zeros((1, 17, 3), np.float32)
    views = [
        FoundBoxes(each.corners, each.class_ids, each.scores, points + value)
        for value, each in ((1, boxes((0, 0, 10, 10, 0, 0.5))), (2, boxes((0, 0, 10, 9, 0, 0.7))))
    ]
    found = merged(views, 0.5)
    assert found.points is not None
    assert_array_equal(found.points, points + 2)


def test_a_mirrored_person_changes_sides() -> None:
    left, right = KEYPOINTS.index("left_wrist"), KEYPOINTS.index("right_wrist")
    points = np.zeros((1, 17, 3), np.float32)
    points[0, left], points[0, right] = (12, 5, 0.9), (30, 6, 0.4)
    found = mirrored(
        FoundBoxes(
            np.array([[10, 0, 40, 20]], np.float32),
            np.zeros(1, np.int64),
            np.ones(1, np.float32),
            points,
        ),
        100,
    )
    assert_array_equal(found.corners, [[60, 0, 90, 20]])
    assert found.points is not None
    assert_allclose(found.points[0, right], [88, 5, 0.9])
    assert_allclose(found.points[0, left], [70, 6, 0.4])
    assert_array_equal(mirrored(found, 100).points, points)
