from __future__ import annotations

import numpy as np
import pytest

from edge_mtl.evaluation.classification import ClassificationMeter, MultiLabelMeter
from edge_mtl.scene import Classification
from edge_mtl.tasks import ClassificationTask

TIME = ClassificationTask(name="time", classes=("day", "dusk", "night"))
PRESENT = ClassificationTask(name="present", classes=("car", "sign", "dog"), multi_label=True)


def scored(task: ClassificationTask, *scores: float) -> Classification:
    return Classification(task.classes, np.array(scores, np.float32))


def surest(name: str) -> Classification:
    return scored(TIME, *(0.5 if each == name else 0.25 for each in TIME.classes))


def test_one_class_holds() -> None:
    meter = ClassificationMeter(TIME)
    pairs = [("day", "day"), ("day", "day"), ("dusk", "day"), ("day", "dusk"), ("dusk", "dusk")]
    for found, wanted in pairs:
        meter.add(surest(found), (wanted,))
    meter.add(surest("night"), ("dawn",))  # the task does not know it
    np.testing.assert_array_equal(meter.confusion, [[2, 1, 0], [1, 1, 0], [0, 0, 0]])
    assert meter.labels == 5
    result = meter.result()
    assert result.accuracy == pytest.approx(3 / 5)
    assert result.per_class.keys() == {"day", "dusk"}  # nobody labelled a night
    day = result.per_class["day"]
    assert (day.precision, day.recall, day.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert result.f1 == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_a_class_found_where_nobody_labelled_it_costs_only_the_others() -> None:
    meter = ClassificationMeter(TIME)
    meter.add(surest("night"), ("day",))
    meter.add(surest("day"), ("day",))
    result = meter.result()
    assert (result.accuracy, result.precision, result.recall) == (0.5, 1.0, 0.5)


def test_several_classes_hold() -> None:
    meter = MultiLabelMeter(PRESENT)
    meter.add(scored(PRESENT, 0.9, 0.6, 0.2), ("car",))
    meter.add(scored(PRESENT, 0.7, 0.8, 0.9), ("car", "sign"))
    meter.add(scored(PRESENT, 0.8, 0.4, 0.1), ("sign", "cat"))
    assert meter.labels == 3
    result = meter.result()
    assert result.per_class.keys() == {"car", "sign"}  # there was no dog
    car, sign = result.per_class["car"], result.per_class["sign"]
    assert (car.precision, car.recall) == pytest.approx((2 / 3, 1.0))
    assert (sign.precision, sign.recall) == pytest.approx((1 / 2, 1 / 2))
    assert result.f1 == pytest.approx((4 / 5 + 1 / 2) / 2)
    # car: hits at ranks 1 and 3; sign: hits at ranks 1 and 3 too.
    assert result.map == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_a_picture_of_which_nothing_holds_is_labelled() -> None:
    meter = MultiLabelMeter(PRESENT)
    meter.add(scored(PRESENT, 0.9, 0.1, 0.1), ())
    meter.add(scored(PRESENT, 0.8, 0.1, 0.1), ("car",))
    result = meter.result()
    assert result.per_class["car"].precision == 0.5
    assert result.map == pytest.approx(0.5)


def test_nothing_labelled() -> None:
    assert ClassificationMeter(TIME).result().per_class == {}
    empty = MultiLabelMeter(PRESENT).result()
    assert (empty.map, empty.f1, empty.per_class) == (0.0, 0.0, {})
