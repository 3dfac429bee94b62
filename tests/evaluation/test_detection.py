from __future__ import annotations

import numpy as np
import pytest

from edge_mtl.data.sample import Boxes
from edge_mtl.evaluation.detection import DetectionMeter, iou, matched
from edge_mtl.scene import Detections
from edge_mtl.spec import DetectionTask

TASK = DetectionTask(classes=("car", "sign", "boat"), score_threshold=0.5)
Row = tuple[float, float, float, float]


def found(*rows: tuple[Row, float, int]) -> Detections:
    """Boxes with scores and classes, best first."""
    ordered = sorted(rows, key=lambda row: -row[1])
    return Detections(
        TASK.classes,
        np.array([box for box, _, _ in ordered], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in ordered], np.float32),
        np.array([class_id for _, _, class_id in ordered], np.int32),
    )


def wanted(*rows: tuple[Row, int]) -> Boxes:
    return Boxes(
        np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
        np.array([class_id for _, class_id in rows], np.int64),
    )


A: Row = (0, 0, 10, 10)
B: Row = (20, 20, 40, 30)
C: Row = (50, 0, 60, 40)


def test_iou_of_every_pair() -> None:
    left = np.array([A, (5, 0, 15, 10)], np.float32)
    expected = np.array([[1.0, 0.0], [1 / 3, 0.0]])
    np.testing.assert_allclose(iou(left, np.array([A, B], np.float32)), expected, atol=1e-6)


def test_a_label_is_matched_once_and_by_the_best_score() -> None:
    labels = np.array([A, B], np.float32)
    assert matched(np.array([A, A], np.float32), labels) == 1
    assert matched(np.array([A, (0, 0, 10, 9), B], np.float32), labels) == 2
    assert matched(np.array([(0, 0, 10, 4.9)], np.float32), labels) == 0  # IoU 0.49
    assert matched(np.array([(0, 0, 10, 5)], np.float32), labels) == 1  # IoU 0.5
    assert matched(np.zeros((0, 4), np.float32), labels) == 0
    assert matched(labels, np.zeros((0, 4), np.float32)) == 0


def test_perfect_detections() -> None:
    meter = DetectionMeter(TASK)
    meter.add(found((A, 0.9, 0), (B, 0.8, 1)), wanted((A, 0), (B, 1)))
    meter.add(found((C, 0.7, 0)), wanted((C, 0)))
    meter.add(found(), wanted())
    result = meter.result()
    assert result.map == pytest.approx(1.0)
    assert result.map50 == pytest.approx(1.0)
    assert (result.precision, result.recall, result.f1) == (1.0, 1.0, 1.0)
    assert {name: each.objects for name, each in result.per_class.items()} == {"car": 2, "sign": 1}


def test_precision_recall_and_f1_at_the_threshold_that_is_deployed() -> None:
    meter = DetectionMeter(TASK)
    # Two cars found of three, one ghost; the fourth is below the threshold. One sign taken for a
    # car.
    meter.add(
        found((A, 0.9, 0), (B, 0.8, 0), (C, 0.3, 0), ((70, 70, 80, 80), 0.6, 0)),
        wanted((A, 0), (B, 0), (C, 0)),
    )
    meter.add(found((A, 0.9, 0)), wanted((A, 1)))
    result = meter.result()
    car, sign = result.per_class["car"], result.per_class["sign"]
    assert (car.precision, car.recall, car.f1) == pytest.approx((2 / 4, 2 / 3, 4 / 7))
    assert (sign.precision, sign.recall, sign.f1) == (0.0, 0.0, 0.0)
    assert (result.precision, result.recall, result.f1) == pytest.approx((2 / 4, 2 / 4, 4 / 8))
    assert result.map50 == pytest.approx((car.map50 + sign.map50) / 2)


def test_average_precision_asks_for_tighter_boxes_step_by_step() -> None:
    meter = DetectionMeter(TASK)
    meter.add(found(((0, 0, 10, 7.7), 0.9, 0)), wanted((A, 0)))  # IoU 0.77
    result = meter.result()
    assert result.map50 == pytest.approx(1.0)
    assert result.map == pytest.approx(0.6)  # right at 0.50, 0.55, ... 0.75


def test_average_precision_falls_with_a_ghost_of_a_better_score() -> None:
    meter = DetectionMeter(TASK)
    meter.add(found((C, 0.9, 0), (A, 0.4, 0)), wanted((A, 0)))
    assert meter.result().map50 == pytest.approx(0.5)


def test_nothing_found_and_nothing_wanted() -> None:
    missed = DetectionMeter(TASK)
    missed.add(found(), wanted((A, 0)))
    result = missed.result()
    assert (result.map50, result.map, result.precision, result.recall) == (0.0, 0.0, 0.0, 0.0)
    ghosts = DetectionMeter(TASK)
    ghosts.add(found((A, 0.9, 0)), wanted())
    result = ghosts.result()
    assert (result.map50, result.precision, result.f1, result.per_class) == (0.0, 0.0, 0.0, {})


def test_measuring_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    meter = DetectionMeter(TASK)
    meter.add(found((A, 0.9, 0)), wanted((A, 0)))
    meter.result()
    assert capfd.readouterr() == ("", "")
