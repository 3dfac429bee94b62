from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.data.sample import Boxes
from edge_mtl.evaluation.pose import PoseMeter, oks, pck
from edge_mtl.scene import Detections, Poses
from edge_mtl.tasks import KEYPOINTS, DetectionTask, PoseTask

DETECTION = DetectionTask(classes=("car", "pedestrian"), score_threshold=0.5)
# A subset of COCO's in an order of its own, with one that no data set labels.
TASK = PoseTask(keypoints=("left_ankle", "hat", "nose", "right_hip"))
ANKLE, NOSE, HIP = (KEYPOINTS.index(name) for name in ("left_ankle", "nose", "right_hip"))
Row = tuple[float, float, float, float]
Point = tuple[float, float]

A: Row = (100, 100, 140, 200)
B: Row = (300, 100, 340, 200)
# Where ankle, nose and hip of a person lie, from the top left of the box.
PLACES: tuple[Point, ...] = ((10, 95), (20, 8), (15, 50))


def points(box: Row, *offsets: Point) -> list[Point]:
    """Ankle, nose and hip of the person in `box`, moved by `offsets`."""
    moves = offsets or ((0, 0),) * 3
    return [
        (box[0] + x + dx, box[1] + y + dy) for (x, y), (dx, dy) in zip(PLACES, moves, strict=True)
    ]


def labels(
    *persons: tuple[Row, tuple[int, int, int]],
    class_id: int = 1,
    ignored: tuple[Row, ...] = (),
    searched: list[bool] | None = None,
) -> Boxes:
    """Persons with the visibilities of their ankle, nose and hip."""
    keypoints = np.zeros((len(persons), 17, 3), np.float32)
    for row, (box, visible) in enumerate(persons):
        for column, place, v in zip((ANKLE, NOSE, HIP), points(box), visible, strict=True):
            keypoints[row, column] = (*place, v)
    return Boxes(
        np.array([box for box, _ in persons], np.float32).reshape(-1, 4),
        np.full(len(persons), class_id),
        keypoints,
        np.array(ignored, np.float32).reshape(-1, 4),
        None if searched is None else np.array(searched),
    )


def found(*poses: tuple[Row, float, list[Point]]) -> tuple[Detections, Poses]:
    """Persons behind a car that has the best score; the unknown keypoint lies far off."""
    ordered = sorted(poses, key=lambda each: -each[1])
    detections = Detections(
        DETECTION.classes,
        np.array([(0, 0, 50, 50), *(box for box, _, _ in ordered)], np.float32),
        np.array([1.0, *(score for _, score, _ in ordered)], np.float32),
        np.array([0, *(1 for _ in ordered)], np.int32),
    )
    places = [[ankle, (-999.0, -999.0), nose, hip] for _, _, (ankle, nose, hip) in ordered]
    return detections, Poses(
        TASK.keypoints,
        np.arange(1, len(ordered) + 1, dtype=np.int32),
        np.array(places, np.float32).reshape(-1, 4, 2),
        np.ones((len(ordered), 4), np.float32),
    )


def measured(seen: tuple[Detections, Poses], wanted: Boxes) -> PoseMeter:
    meter = PoseMeter(TASK, DETECTION)
    meter.add(*seen, wanted)
    return meter


def test_perfect_poses() -> None:
    result = measured(
        found((A, 0.9, points(A)), (B, 0.8, points(B))), labels((A, (2, 2, 1)), (B, (1, 2, 2)))
    ).result()
    assert (result.pck, result.pck_matched) == (1.0, 1.0)
    assert (result.map, result.map50) == pytest.approx((1.0, 1.0))
    assert (result.precision, result.recall, result.f1) == (1.0, 1.0, 1.0)
    assert result.per_keypoint == {"left_ankle": 1.0, "nose": 1.0, "right_hip": 1.0}


def test_a_keypoint_is_found_within_a_fifth_of_the_longer_side() -> None:
    # The box is 40 wide and 100 high: 20 pixels are allowed, in any direction.
    moved = points(A, (0, 19.9), (12.1, 16.1), (-20.1, 0))
    meter = measured(found((A, 0.9, moved)), labels((A, (2, 2, 2))))
    result = meter.result()
    assert result.per_keypoint == {"left_ankle": 1.0, "nose": 0.0, "right_hip": 0.0}
    assert result.pck == pytest.approx(1 / 3)
    assert meter.keypoints == ("left_ankle", "nose", "right_hip")
    expected = [[0.199, np.hypot(12.1, 16.1) / 100, 0.201]]
    np.testing.assert_allclose(meter.distances(), expected, rtol=1e-4)
    assert pck(meter.distances(), 0.201 + 1e-6) == pytest.approx(2 / 3)
    assert pck(meter.distances(), 0.21) == 1.0


def test_hidden_keypoints_count_and_unlabelled_ones_do_not() -> None:
    far = points(A, (50, 0), (50, 0), (50, 0))
    meter = measured(found((A, 0.9, far)), labels((A, (1, 0, 0))))
    assert meter.result().per_keypoint == {"left_ankle": 0.0}
    assert meter.labels == 1
    moved = points(A, (0, 0), (50, 0), (50, 0))
    assert measured(found((A, 0.9, moved)), labels((A, (1, 0, 0)))).result().pck == 1.0


def test_a_person_who_is_not_found_has_lost_every_keypoint() -> None:
    beside: Row = (100, 100, 140, 149)  # IoU 0.49 with the person
    for seen in (
        found((A, 0.9, points(A))),
        found((A, 0.9, points(A)), (B, 0.4, points(B))),  # below the score threshold
        found((A, 0.9, points(A)), ((300, 100, 340, 149), 0.8, points(B))),
    ):
        result = measured(seen, labels((A, (2, 2, 2)), (B, (2, 2, 0)))).result()
        assert result.pck == pytest.approx(3 / 5)
        assert result.pck_matched == 1.0
    lost = measured(found((beside, 0.9, points(A))), labels((A, (2, 2, 2)))).result()
    assert (lost.pck, lost.pck_matched) == (0.0, 0.0)


def test_precision_and_recall_of_poses() -> None:
    wild = points(B, (60, 0), (60, 0), (60, 0))
    result = measured(
        found((A, 0.9, points(A)), (B, 0.8, wild)), labels((A, (2, 2, 2)), (B, (2, 2, 2)))
    ).result()
    assert (result.precision, result.recall, result.f1) == (0.5, 0.5, 0.5)
    assert result.map50 == pytest.approx(51 / 101)


def test_only_poses_that_would_be_deployed_are_shown() -> None:
    """A score at the threshold is not above it, and the car takes one of `max_boxes`."""
    persons = labels((A, (2, 2, 2)), (B, (2, 2, 2)))
    at_threshold = found((A, 0.9, points(A)), (B, 0.5, points(B)))
    above = found((A, 0.9, points(A)), (B, 0.8, points(B)))
    for seen, most in ((at_threshold, 9), (above, 2)):
        meter = PoseMeter(TASK, msgspec.structs.replace(DETECTION, max_boxes=most))
        meter.add(*seen, persons)
        result = meter.result()
        assert (result.precision, result.recall, result.pck) == (1.0, 0.5, 0.5)
        assert result.map50 == pytest.approx(1.0)


def test_persons_without_keypoints_and_ignored_areas_count_nowhere() -> None:
    crowd: Row = (500, 0, 700, 300)
    seen = found((A, 0.9, points(A)), (B, 0.8, points(B)), ((550, 100, 590, 200), 0.7, points(A)))
    wanted = labels((A, (2, 2, 2)), (B, (0, 0, 0)), ignored=(crowd,))
    result = measured(seen, wanted).result()
    assert (result.precision, result.recall, result.pck) == (1.0, 1.0, 1.0)
    result = measured(seen, labels((A, (2, 2, 2)))).result()
    assert result.precision == pytest.approx(1 / 3)
    unsearched = measured(seen, labels(searched=[True, False])).result()
    assert (unsearched.precision, unsearched.map) == (0.0, 0.0)
    assert measured(seen, labels((A, (2, 2, 2)), class_id=0)).labels == 0


def test_oks_is_that_of_coco() -> None:
    """Against the formula, one keypoint at a time."""
    sigmas = np.array([0.1, 0.05])
    person = np.array([[[10, 10, 2], [20, 20, 1]]], np.float32)
    pose = np.array([[[13, 14], [20, 22]]], np.float32)
    box = np.array([[0, 0, 20, 30]], np.float32)
    area = 0.53 * 600
    each = np.exp([-25 / (2 * area * 0.2**2), -4 / (2 * area * 0.1**2)])
    assert oks(pose, person, box, sigmas)[0, 0] == pytest.approx(each.mean(), rel=1e-5)
    person[0, 1, 2] = 0
    assert oks(pose, person, box, sigmas)[0, 0] == pytest.approx(each[0], rel=1e-5)


def shift_for(similarity: float) -> float:
    """How far the ankle, alone, must be moved for that OKS."""
    return float(np.sqrt(-np.log(similarity) * 8 * 0.53 * 4000) * 0.089)


@pytest.mark.parametrize(("similarity", "steps"), [(0.99, 10), (0.77, 6), (0.51, 1), (0.49, 0)])
def test_average_precision_asks_for_nearer_poses_step_by_step(
    similarity: float, steps: int
) -> None:
    """The library and `oks` agree on the area, the constants and the keypoints that count."""
    moved = points(A, (shift_for(similarity), 0), (70, 0), (70, 0))
    result = measured(found((A, 0.9, moved)), labels((A, (2, 0, 0)))).result()
    assert result.map == pytest.approx(steps / 10)
    assert result.recall == (similarity > 0.5)


def test_nothing_found_and_nothing_labelled() -> None:
    missed = measured(found(), labels((A, (2, 2, 2)))).result()
    assert (missed.pck, missed.map, missed.recall) == (0.0, 0.0, 0.0)
    empty: NDArray[np.float32] = measured(found((A, 0.9, points(A))), labels()).distances()
    assert empty.shape == (0, 3)
    assert PoseMeter(TASK, DETECTION).result().per_keypoint == {}
