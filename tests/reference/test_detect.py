"""Boxes against answers worked out by hand."""

from typing import Any

import numpy as np

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.scene import Detections
from edge_mtl.tasks import DetectionTask
from edge_mtl.tensor_spec import TensorSpec

TASK = DetectionTask(
    name="things", classes=("car", "sign"), strides=(8,), score_threshold=0.5, iou_threshold=0.5
)


def detect(
    task: DetectionTask,
    cells: dict[tuple[int, int], tuple[list[float], list[float]]],
    placement: Placement,
    **quantisation: Any,
) -> Detections:
    """Boxes from the (row, column): (logits, distances) of a 4x8 grid; other cells are silent."""
    scores = np.full((1, 2, 4, 8), -9, quantisation.get("dtype", np.float32))
    distances = np.zeros((1, 4, 4, 8), scores.dtype)
    for (row, column), (logits, sides) in cells.items():
        scores[0, :, row, column] = logits
        distances[0, :, row, column] = sides
    raw = {"things_scores_8": scores, "things_boxes_8": distances}
    tensors = {name: TensorSpec(name, v.shape, **quantisation) for name, v in raw.items()}
    return reference.detect(task, tensors, raw, placement)[0]


SAME = Placement((64, 32), 0, 0, 64, 32)


def test_boxes_are_decoded_into_the_frame():
    # The centre of cell (1, 2) is (20, 12) in a 64x32 input; the frame has twice the size of its
    # place at (8, 4).
    placement = Placement((96, 48), 8, 4, 48, 24)
    found = detect(TASK, {(1, 2): ([2.0, 1.0], [0.5, 0.25, 1.0, -3.0])}, placement)
    np.testing.assert_array_equal(found.boxes, [[(16 - 8) * 2, (10 - 4) * 2, 40, 16]])
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-2))], rtol=1e-6)
    assert found.class_ids.tolist() == [0]


def test_quantised_boxes_are_dequantised():
    cells = {(1, 2): ([0.0, 14.0], [6, 6, 14, 10])}  # logits -2 and 5, distances 1 1 5 3
    found = detect(TASK, cells, SAME, dtype="int8", scale=0.5, zero_point=4)
    np.testing.assert_array_equal(found.boxes, [[12, 4, 60, 32]])
    np.testing.assert_allclose(found.scores, [1 / (1 + np.exp(-5))], rtol=1e-6)
    assert found.class_ids.tolist() == [1]


def test_boxes_are_clipped_and_what_is_left_of_them_must_be_a_box():
    cells = {
        (0, 0): ([9, 0], [3, 3, 1, 1]),  # over the corner
        (0, 1): ([8, 0], [0, 1, 0, 1]),  # no width
        (0, 2): ([7, 0], [1, np.nan, 1, 1]),
        (0, 3): ([6, 0], [1, 1, np.inf, 1]),
        (0, 7): ([5, 0], [-np.inf, 1, 1, 1]),  # below zero counts as zero
        (2, 2): ([np.nan, np.nan], [1, 1, 1, 1]),
        (2, 3): ([np.nan, 4], [1, 1, 1, 1]),
    }
    found = detect(TASK, cells, SAME)
    np.testing.assert_array_equal(found.boxes, [[0, 0, 12, 12], [60, 0, 64, 12], [20, 12, 36, 28]])
    assert found.class_ids.tolist() == [0, 0, 1]
    aside = Placement((64, 32), 32, 0, 32, 16)  # the first cells lie in the padding
    assert len(detect(TASK, {(0, 0): ([9, 0], [1, 1, 1, 1])}, aside)) == 0


def test_suppression_worked_out_by_hand():
    cells = {
        (1, 1): ([3, 0], [1, 1, 1, 1]),  # 4 4 20 20, the best car
        (1, 2): ([2, 0], [1.5, 1, 0.5, 1]),  # 8 4 24 20: IoU 192 / 320 = 0.6 with the first
        (1, 3): ([0, 1], [2.5, 1, -1, 1]),  # 8 4 28 20, a sign: IoU 192 / 384 with the first
        (1, 4): ([1.5, 0], [2.5, 1, -1, 1]),  # 16 4 36 20: IoU 64 / 512 with the first
        (2, 4): ([1.5, 0], [2.5, 2, -1, 0]),  # the same box and logit, in a later cell
    }
    found = detect(TASK, cells, SAME)
    np.testing.assert_array_equal(found.boxes, [[4, 4, 20, 20], [16, 4, 36, 20], [8, 4, 28, 20]])
    assert found.class_ids.tolist() == [0, 0, 1]
    assert (np.diff(found.scores) < 0).all()

    at_the_threshold = DetectionTask(
        name="things", classes=TASK.classes, strides=(8,), score_threshold=0.5, iou_threshold=0.6
    )
    assert len(detect(at_the_threshold, cells, SAME)) == 4  # only above it, and 0.6 is not


def test_score_threshold_is_exclusive_at_both_ends():
    def count(threshold: float, cells: dict[Any, Any]) -> int:
        task = DetectionTask(
            name="things", classes=TASK.classes, strides=(8,), score_threshold=threshold
        )
        return len(detect(task, cells, SAME))

    sure = {(1, 1): ([np.inf, 0], [1, 1, 1, 1])}
    even = {(1, 1): ([0, 0], [1, 1, 1, 1])}
    impossible = {(1, 1): ([-np.inf, -np.inf], [1, 1, 1, 1])}
    assert [count(threshold, sure) for threshold in (0.0, 0.5, 1.0)] == [1, 1, 0]
    assert [count(threshold, even) for threshold in (0.0, 0.49, 0.5, 1.0)] == [1, 1, 0, 0]
    assert count(0.0, impossible) == 0


def test_only_the_best_boxes_are_kept():
    rng = np.random.default_rng(2)
    cells = {
        (row, column): ([float(logit), 0], [0.4] * 4)
        for (row, column), logit in zip(np.ndindex(4, 8), 1 + rng.permutation(32), strict=True)
    }
    task = DetectionTask(name="things", classes=TASK.classes, strides=(8,), max_boxes=5)
    found = detect(task, cells, SAME)
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp(-np.arange(32.0, 27, -1))), rtol=1e-6)


def test_the_cell_of_every_box_is_known():
    task = DetectionTask(name="things", classes=("car",), strides=(8, 16), score_threshold=0.5)
    raw = {
        "things_scores_8": np.full((1, 1, 4, 8), -9, np.float32),
        "things_boxes_8": np.full((1, 4, 4, 8), 0.5, np.float32),
        "things_scores_16": np.full((1, 1, 2, 4), -9, np.float32),
        "things_boxes_16": np.full((1, 4, 2, 4), 0.5, np.float32),
    }
    raw["things_scores_8"][0, 0, 3, 5] = 2
    raw["things_scores_16"][0, 0, 1, 0] = 3
    raw["things_scores_16"][0, 0, 0, 3] = 1
    tensors = {name: TensorSpec(name, values.shape) for name, values in raw.items()}
    found, cells = reference.detect(task, tensors, raw, SAME)
    np.testing.assert_array_equal(found.boxes[:, :2], [[0, 16], [40, 24], [48, 0]])
    assert np.stack(cells, axis=1).tolist() == [[16, 1, 0], [8, 3, 5], [16, 0, 3]]
