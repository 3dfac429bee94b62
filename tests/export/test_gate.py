from __future__ import annotations

import math

import pytest

from edge_mtl.errors import UsageError
from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.evaluation.classification import ClassificationAccuracy
from edge_mtl.evaluation.detection import DetectionAccuracy
from edge_mtl.evaluation.segmentation import SegmentationAccuracy
from edge_mtl.export.gate import TOLERANCES, failed, judge, with_tolerances
from edge_mtl.export.yardstick import Measured

SCORES = {"precision": 0.5, "recall": 0.5}


def measured(miou: float, map50: float, f1: float, right: float) -> Measured:
    labels = Accuracy(
        frames=64,
        tasks={
            "segmentation": SegmentationAccuracy(
                **SCORES, f1=0.5, miou=miou, pixel_accuracy=0.9, iou={}
            ),
            "detection": DetectionAccuracy(**SCORES, f1=f1, map50=map50, map=0.4, per_class={}),
        },
    )
    time = ClassificationAccuracy(**SCORES, f1=0.5, accuracy=right, per_class={})
    return Measured(labels, Accuracy(frames=64, tasks={"time": time}))


BEFORE = measured(0.76, 0.75, 0.74, 1.0)


def test_every_task_is_judged_by_what_it_is_deployed_for() -> None:
    verdicts = judge(BEFORE, measured(0.755, 0.76, 0.73, 1.0))
    assert [(each.task, each.figure, each.basis) for each in verdicts] == [
        ("segmentation", "miou", "labels"),
        ("detection", "map50", "labels"),
        ("detection", "f1", "labels"),
        ("time", "accuracy", "agreement"),
    ]
    assert failed(verdicts) == ()
    assert [each.lost for each in verdicts] == pytest.approx([0.5, -1.0, 1.0, 0.0])


def test_lesson_every_task_is_gated_in_8_bits() -> None:
    """ultralytics#19353: in INT8 one figure fell from 86.6 to 75.6, and nothing stopped it."""
    after = measured(0.76, 0.634, 0.74, 1.0)
    assert failed(judge(BEFORE, after)) == ("detection",)


def test_lesson_boxes_that_are_ranked_right_but_under_the_threshold_fail() -> None:
    """TensorRT#4074: the INT8 engine finds nothing, which mAP alone may not show."""
    after = measured(0.76, 0.75, 0.0, 1.0)
    assert failed(judge(BEFORE, after)) == ("detection",)


def test_a_figure_that_is_no_number_fails() -> None:
    after = measured(math.nan, 0.75, 0.74, 1.0)
    assert failed(judge(BEFORE, after)) == ("segmentation",)


def test_of_whole_pictures_one_is_forgiven_and_two_are_not() -> None:
    one, two, four = (measured(0.76, 0.75, 0.74, 1.0 - n / 64) for n in (1, 2, 4))
    strict = with_tolerances(["0"])
    assert failed(judge(BEFORE, one, strict)) == ()
    assert failed(judge(BEFORE, two, strict)) == ("time",)
    # By default 5 % of all pictures may change.
    assert failed(judge(BEFORE, one)) == ()
    assert failed(judge(BEFORE, four)) == ("time",)


def test_tolerances_are_set_for_all_for_a_kind_or_for_a_figure() -> None:
    table = with_tolerances(["3", "detection=2", "detection.f1=0"])
    assert table["labels"]["segmentation"] == {"miou": 3.0}
    assert table["labels"]["detection"] == {"map50": 2.0, "f1": 0.0}
    assert table["agreement"]["detection"] == {"f1": 0.0}
    assert with_tolerances(()) == TOLERANCES
    assert TOLERANCES["labels"]["detection"]["f1"] == 2.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("detektion=1", "did you mean 'detection'"),
        ("detection.miou=1", "'miou' is nothing that is judged; did you mean .* Known: map50"),
        ("detection=much", "expected points from 0 on, found 'much'"),
        ("-1", "expected points from 0 on"),
        ("nan", "expected points from 0 on"),
    ],
)
def test_a_tolerance_that_means_nothing_is_refused(given: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_tolerances([given])
