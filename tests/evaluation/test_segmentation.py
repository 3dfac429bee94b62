from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.data.sample import IGNORE
from edge_mtl.evaluation.segmentation import SegmentationMeter
from edge_mtl.tasks import SegmentationTask

TASK = SegmentationTask(name="surface", classes=("sky", "road", "grass", "snow"))


def mask(*rows: list[int]) -> NDArray[np.uint8]:
    return np.array(rows, np.uint8)


def test_known_answer() -> None:
    meter = SegmentationMeter(TASK)
    meter.add(mask([0, 0, 1, 1], [0, 2, 1, 1]), mask([0, 0, 0, 1], [0, 2, 2, IGNORE]))
    result = meter.result()
    # sky: 3 right, 4 labelled, 3 found. road: 1 right, 1 labelled, 3 found (one unlabelled pixel
    # aside). grass: 1 right, 2 labelled, 1 found. Nobody labelled snow.
    assert result.iou == pytest.approx({"sky": 3 / 4, "road": 1 / 3, "grass": 1 / 2})
    assert result.miou == pytest.approx((3 / 4 + 1 / 3 + 1 / 2) / 3)
    assert result.pixel_accuracy == pytest.approx(5 / 7)
    assert result.precision == pytest.approx((3 / 3 + 1 / 3 + 1 / 1) / 3)
    assert result.recall == pytest.approx((3 / 4 + 1 / 1 + 1 / 2) / 3)
    assert result.f1 == pytest.approx((6 / 7 + 2 / 4 + 2 / 3) / 3)
    expected = [[3, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(meter.confusion, expected)
    assert meter.labels == 7


def test_frames_are_counted_together_not_averaged() -> None:
    meter = SegmentationMeter(TASK)
    meter.add(mask([0] * 8), mask([0] * 8))
    meter.add(mask([1, 0]), mask([0, 0]))
    assert meter.result().iou == pytest.approx({"sky": 9 / 10})


def test_a_class_that_is_found_but_nowhere_labelled_costs_only_the_others() -> None:
    meter = SegmentationMeter(TASK)
    meter.add(mask([3, 0]), mask([0, 0]))
    assert meter.result().iou == {"sky": 0.5}


def test_nothing_labelled() -> None:
    meter = SegmentationMeter(TASK)
    meter.add(mask([3, 0]), mask([IGNORE, IGNORE]))
    result = meter.result()
    assert (result.miou, result.pixel_accuracy, result.f1, result.iou) == (0.0, 0.0, 0.0, {})
    assert meter.labels == 0
