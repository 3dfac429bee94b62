"""Keypoints against answers worked out by hand."""

from typing import Any

import numpy as np
import pytest

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.scene import Detections, Poses
from edge_mtl.tasks import PoseTask
from edge_mtl.tensor_spec import TensorSpec

TASK = PoseTask(classes=("dog", "person"), keypoints=("head", "tail"), strides=(8, 16))
CLASSES = ("person", "car", "dog")
# The frame has twice the size of its place at (8, 4) in a 64x32 input.
PLACEMENT = Placement((96, 48), 8, 4, 48, 24)


def poses_of(
    boxes: list[tuple[str, int, int, int]],
    cells: dict[tuple[int, int, int], tuple[list[float], list[float]]],
    **quantisation: Any,
) -> Poses:
    """The poses of boxes, each its class and the stride, row and column of its cell.

    cells: by stride, row and column, x y of the two keypoints in strides, and their logits.
    """
    dtype = quantisation.get("dtype", np.float32)
    raw = {}
    for stride in TASK.strides:
        points, visible = reference.level_names(TASK, stride)
        size = 32 // stride, 64 // stride
        raw[points], raw[visible] = np.zeros((1, 4, *size), dtype), np.zeros((1, 2, *size), dtype)
    for (stride, row, column), values in cells.items():
        for name, channels in zip(reference.level_names(TASK, stride), values, strict=True):
            raw[name][0, :, row, column] = channels
    tensors = {name: TensorSpec(name, v.shape, **quantisation) for name, v in raw.items()}
    n = len(boxes)
    class_ids = np.array([CLASSES.index(name) for name, *_ in boxes], np.int32)
    found = Detections(CLASSES, np.zeros((n, 4), np.float32), np.ones(n, np.float32), class_ids)
    at = reference.Cells(*np.array([cell for _, *cell in boxes], np.int64).reshape(-1, 3).T)
    return reference.find_poses(TASK, tensors, raw, PLACEMENT, found, at)


def test_keypoints_come_from_the_cell_that_found_the_box():
    # The centre of row 1, column 2 is (20, 12) at stride 8; of row 0, column 1 (24, 8) at 16.
    cells = {
        (8, 1, 2): ([0.5, 0.25, -1.0, 2.0], [0.0, 2.0]),
        (16, 0, 1): ([0.0, 0.0, 0.5, -0.125], [-3.0, 1.0]),
    }
    poses = poses_of([("dog", 16, 0, 1), ("person", 8, 1, 2)], cells)
    assert poses.keypoints == ("head", "tail")
    assert poses.rows.tolist() == [0, 1]
    np.testing.assert_array_equal(
        poses.points,
        [
            [[(24 - 8) * 2, (8 - 4) * 2], [(32 - 8) * 2, (6 - 4) * 2]],
            [[(24 - 8) * 2, (14 - 4) * 2], [(12 - 8) * 2, (28 - 4) * 2]],
        ],
    )
    scores = 1 / (1 + np.exp(-np.array([[-3.0, 1.0], [0.0, 2.0]])))
    np.testing.assert_allclose(poses.scores, scores, rtol=1e-6)


def test_only_boxes_of_the_tasks_classes_have_keypoints():
    boxes = [("car", 8, 0, 0), ("person", 8, 0, 0), ("car", 8, 1, 1), ("dog", 16, 1, 3)]
    poses = poses_of(boxes, {})
    assert poses.rows.tolist() == [1, 3]
    np.testing.assert_array_equal(poses.points[:, 0], [[-8, 0], [96, 40]])
    none = poses_of(boxes[:1], {})
    assert (len(none), none.points.shape, none.scores.shape) == (0, (0, 2, 2), (0, 2))


def test_points_may_lie_outside_the_frame():
    poses = poses_of([("dog", 8, 0, 0)], {(8, 0, 0): ([-100, -50, 100, 50], [1, 1])})
    np.testing.assert_array_equal(poses.points, [[[-1608, -800], [1592, 800]]])
    assert (poses.scores > 0.7).all()


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 3e38])
def test_a_point_that_is_not_finite_is_nowhere(broken: float):
    poses = poses_of([("dog", 8, 0, 0)], {(8, 0, 0): ([broken, 1.0, 0.0, 0.0], [9.0, 9.0])})
    np.testing.assert_array_equal(poses.points, [[[0, 0], [-8, 0]]])
    assert poses.scores[0, 0] == 0
    assert poses.scores[0, 1] > 0.99


def test_a_score_that_is_no_number_is_zero():
    poses = poses_of([("dog", 8, 0, 0)], {(8, 0, 0): ([0.0] * 4, [np.nan, np.inf])})
    assert poses.scores.tolist() == [[0, 1]]


def test_quantised_keypoints_are_dequantised():
    # Offsets 1, 0.5, 0, -2 and logits 5, -2.
    cells = {(8, 1, 2): ([6, 5, 4, 0], [14, 0])}
    poses = poses_of([("person", 8, 1, 2)], cells, dtype="int8", scale=0.5, zero_point=4)
    np.testing.assert_array_equal(poses.points, [[[40, 24], [24, -16]]])
    scores = 1 / (1 + np.exp([-5.0, 2.0]))
    np.testing.assert_allclose(poses.scores[0], scores, rtol=1e-6)
