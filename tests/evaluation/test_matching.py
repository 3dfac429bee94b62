from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mtl.evaluation.matching import MATCH_IOU, iou, match, share_inside

Row = tuple[float, float, float, float]
A: Row = (0, 0, 10, 10)
B: Row = (20, 20, 40, 30)


def boxes(*rows: Row) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_iou_of_every_pair() -> None:
    expected = np.array([[1.0, 0.0], [1 / 3, 0.0]])
    np.testing.assert_allclose(iou(boxes(A, (5, 0, 15, 10)), boxes(A, B)), expected, atol=1e-6)
    assert iou(boxes(A, A), boxes()).shape == (2, 0)
    assert iou(boxes((3, 3, 3, 3)), boxes((3, 3, 3, 3)))[0, 0] == 0.0


def test_a_label_is_matched_once_and_by_the_best_score() -> None:
    def taken(*found: Row) -> list[int]:
        return match(iou(boxes(*found), boxes(A, B)), MATCH_IOU).tolist()

    assert taken(A, A) == [0, -1]
    assert taken(A, (0, 0, 10, 9), B) == [0, -1, 1]
    assert taken((0, 0, 10, 4.9)) == [-1]  # IoU 0.49
    assert taken((0, 0, 10, 5)) == [0]  # IoU 0.5
    assert taken() == []
    assert match(iou(boxes(A, B), boxes()), MATCH_IOU).tolist() == [-1, -1]


def test_each_takes_the_free_label_that_it_overlaps_most() -> None:
    overlaps = np.array([[0.6, 0.7], [0.5, 0.9], [0.6, 0.1]], np.float32)
    assert match(overlaps, 0.5).tolist() == [1, 0, -1]
    assert match(overlaps[:2], 0.55).tolist() == [1, -1]


def test_what_comes_later_changes_nothing_before() -> None:
    overlaps = np.random.default_rng(0).random((30, 12), np.float32)
    whole = match(overlaps, 0.5)
    for count in range(30):
        np.testing.assert_array_equal(match(overlaps[:count], 0.5), whole[:count])


def test_share_of_a_box_inside_the_area_that_holds_most_of_it() -> None:
    areas = boxes((0, 0, 5, 10), (4, 0, 100, 10))
    found = boxes(A, (0, 0, 4, 5), (0, 20, 5, 25), (90, 5, 110, 10), (1, 1, 1, 1))
    np.testing.assert_allclose(share_inside(found, areas), [0.6, 1.0, 0.0, 0.5, 0.0])
    np.testing.assert_array_equal(share_inside(boxes(A, B), boxes()), [0.0, 0.0])
