from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from edge_mtl.data.sample import IGNORE
from edge_mtl.errors import UsageError
from edge_mtl.labelling.confidence import (
    Confidence,
    attribute_label,
    box_labels,
    keypoint_labels,
    mask_label,
)
from edge_mtl.labelling.teacher import FoundAttribute, FoundBoxes, FoundMask

CONFIDENCE = Confidence(pixel=0.9, box=0.5, doubtful_box=0.2, keypoint=0.3, attribute=0.8)


def test_pixels_below_the_threshold_are_ignored() -> None:
    found = FoundMask(np.array([[3, 4, 5]], np.uint8), np.array([[0.95, 0.9, 0.89]], np.float32))
    assert_array_equal(mask_label(found, CONFIDENCE), [[3, 4, IGNORE]])


def test_boxes_are_labels_areas_or_background_by_their_score() -> None:
    found = FoundBoxes(
        corners=np.array(
            [[-5, 2, 10, 20], [30, 0, 40, 10], [50, 0, 60, 10], [99.5, 0, 120, 10]], np.float32
        ),
        class_ids=np.array([1, 0, 2, 0]),
        scores=np.array([0.5, 0.3, 0.1, 0.9], np.float32),
    )
    labels = box_labels(found, (100, 50), CONFIDENCE)
    assert_array_equal(labels.corners, [[0, 2, 10, 20]])  # cut; half a pixel of the last is left
    assert_array_equal(labels.class_ids, [1])
    assert_array_equal(labels.ignored, [[30, 0, 40, 10]])
    assert labels.keypoints is None


def test_keypoints_are_visible_or_not_labelled() -> None:
    points = np.zeros((1, 17, 3), np.float32)
    points[0, 0], points[0, 1], points[0, 2] = (4, 5, 0.9), (6, 7, 0.2), (-1, 5, 0.9)
    labels = keypoint_labels(points, (100, 50), CONFIDENCE)
    assert_array_equal(labels[0, :3], [[4, 5, 2], [0, 0, 0], [0, 0, 0]])
    found = FoundBoxes(np.array([[0, 0, 9, 9]], np.float32), np.zeros(1, int), np.ones(1), points)
    assert_array_equal(box_labels(found, (100, 50), CONFIDENCE).keypoints, labels)


@pytest.mark.parametrize(
    ("scores", "several", "expected"),
    [
        ([0.1, 0.85, 0.05], False, "dusk"),
        ([0.3, 0.7, 0.0], False, None),
        ([0.9, 0.1, 0.95], True, ("day", "night")),
        ([0.1, 0.0, 0.05], True, ()),  # sure that none holds
        ([0.9, 0.5, 0.95], True, None),  # one is undecided
    ],
)
def test_attributes(
    scores: list[float], several: bool, expected: str | tuple[str, ...] | None
) -> None:
    found = FoundAttribute(np.array(scores, np.float32), several)
    assert attribute_label(found, ("day", "dusk", "night"), CONFIDENCE) == expected


def test_doubt_begins_below_certainty() -> None:
    with pytest.raises(UsageError, match=r"found 0\.6 above 0\.5"):
        Confidence(box=0.5, doubtful_box=0.6)
