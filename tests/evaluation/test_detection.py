from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edge_mtl.data.sample import Boxes
from edge_mtl.evaluation.detection import DetectionMeter
from edge_mtl.scene import Detections
from edge_mtl.tasks import DetectionTask

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


def wanted(
    *rows: tuple[Row, int], ignored: tuple[Row, ...] = (), searched: list[bool] | None = None
) -> Boxes:
    return Boxes(
        np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
        np.array([class_id for _, class_id in rows], np.int64),
        ignored=np.array(ignored, np.float32).reshape(-1, 4),
        searched=None if searched is None else np.array(searched),
    )


A: Row = (0, 0, 10, 10)
B: Row = (20, 20, 40, 30)
C: Row = (50, 0, 60, 40)


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


def test_only_what_would_be_deployed_is_shown() -> None:
    """A score at the threshold is not above it, and there are never more than `max_boxes`."""
    meter = DetectionMeter(msgspec.structs.replace(TASK, max_boxes=2))
    meter.add(found((A, 0.9, 0), (B, 0.5, 0)), wanted((A, 0), (B, 0)))
    assert (meter.result().precision, meter.result().recall) == (1.0, 0.5)
    meter.add(found((A, 0.9, 0), (C, 0.8, 0), (B, 0.7, 0)), wanted((A, 0), (B, 0)))
    assert (meter.result().precision, meter.result().recall) == (2 / 3, 2 / 4)


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


def test_what_is_found_among_ignored_objects_is_neither_right_nor_wrong() -> None:
    crowd: Row = (0, 0, 100, 20)
    ghosts = found(
        ((80, 0, 90, 10), 0.95, 0),  # all of it in the crowd
        ((60, 15, 70, 25), 0.9, 1),  # half of it, and of another class
        ((60, 16, 70, 26), 0.85, 0),  # less than half: a ghost
        (A, 0.8, 0),  # a labelled car before the crowd
    )
    meter = DetectionMeter(TASK)
    meter.add(ghosts, wanted((A, 0), (C, 0), ignored=(crowd,)))
    result = meter.result()
    assert (result.precision, result.recall) == (1 / 2, 1 / 2)
    # One ghost ranks above the one hit: precision 1/2 up to recall 1/2, nothing beyond.
    assert result.map50 == pytest.approx(51 / 101 / 2)
    without = DetectionMeter(TASK)
    without.add(ghosts, wanted((A, 0), (C, 0)))
    assert without.result().precision == 1 / 4


def test_ignored_areas_are_cocos_crowds_at_every_overlap() -> None:
    crowd: Row = (0, 0, 100, 20)
    # 0.62 of the ghost lie in the crowd: it counts nowhere up to 0.60, then it is wrong.
    ghost: Row = (60, 13.8, 70, 23.8)
    meter = DetectionMeter(TASK)
    meter.add(found((ghost, 0.9, 0), (C, 0.8, 0)), wanted((C, 0), ignored=(crowd,)))
    result = meter.result()
    assert (result.map50, result.map) == pytest.approx((1.0, (3 + 7 / 2) / 10))
    # A loose box finds its car up to 0.60; from there on it is one more box in the crowd.
    loose: Row = (0, 0, 10, 6.2)
    meter = DetectionMeter(TASK)
    meter.add(found((loose, 0.9, 0), (C, 0.8, 0)), wanted((A, 0), (C, 0), ignored=(crowd,)))
    result = meter.result()
    assert (result.map50, result.map) == pytest.approx((1.0, (3 + 7 * 51 / 101) / 10))


def test_a_class_that_nobody_searched_is_neither_right_nor_wrong() -> None:
    meter = DetectionMeter(TASK)
    seen = found((A, 0.9, 0), (B, 0.8, 1))
    meter.add(seen, wanted((A, 0), searched=[True, False, False]))
    meter.add(seen, wanted((A, 0), (B, 1)))
    result = meter.result()
    assert (result.precision, result.recall, result.map50) == pytest.approx((1.0, 1.0, 1.0))
    meter.add(seen, wanted((A, 0), searched=[True, True, False]))
    assert meter.result().per_class["sign"].precision == 1 / 2


def test_precision_curve_of_one_class() -> None:
    meter = DetectionMeter(TASK)
    meter.add(found((A, 0.9, 0), (B, 0.8, 0), (C, 0.7, 0)), wanted((A, 0), (C, 0)))
    curves = meter.precision_curves()
    assert curves.shape == (3, 10, 101)
    np.testing.assert_allclose(curves[0, 0, :51], 1.0)
    np.testing.assert_allclose(curves[0, 0, 51:], 2 / 3)
    assert not curves[1:].any()
    assert meter.result().per_class["car"].map50 == pytest.approx(curves[0, 0].mean())


def test_nothing_found_and_nothing_wanted() -> None:
    missed = DetectionMeter(TASK)
    missed.add(found(), wanted((A, 0)))
    result = missed.result()
    assert (result.map50, result.map, result.precision, result.recall) == (0.0, 0.0, 0.0, 0.0)
    ghosts = DetectionMeter(TASK)
    ghosts.add(found((A, 0.9, 0)), wanted())
    assert (missed.labels, ghosts.labels) == (1, 0)
    result = ghosts.result()
    assert (result.map50, result.precision, result.f1, result.per_class) == (0.0, 0.0, 0.0, {})


def test_measuring_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    meter = DetectionMeter(TASK)
    meter.add(found((A, 0.9, 0)), wanted((A, 0)))
    meter.result()
    assert capfd.readouterr() == ("", "")
