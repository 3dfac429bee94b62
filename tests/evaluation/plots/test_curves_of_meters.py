"""Precision-recall curves and PCK: what the meters hold is what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.data.sample import Boxes
from edge_mtl.evaluation.detection import DetectionMeter
from edge_mtl.evaluation.plots.pck import plot_pck
from edge_mtl.evaluation.plots.precision_recall import plot_precision_recall
from edge_mtl.evaluation.plots.style import ACCENT, colours_of
from edge_mtl.evaluation.pose import PoseMeter
from edge_mtl.scene import Detections, Poses
from edge_mtl.tasks import KEYPOINTS, DetectionTask, PoseTask

Places = Callable[..., NDArray[np.int64]]
PERSON = np.array([[10, 10, 50, 110]], np.float32)
ALONE = np.array([0], np.int32)


def test_precision_falls_in_the_plot_where_it_falls_in_the_meter(
    tmp_path: Path, places: Places
) -> None:
    meter = DetectionMeter(DetectionTask(classes=("car", "sign"), score_threshold=0.5))
    boxes = np.array([(0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)], np.float32)
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    found = Detections(meter.task.classes, boxes, scores, np.zeros(3, np.int32))
    meter.add(found, Boxes(boxes[[0, 2]], np.zeros(2, np.int64)))
    path = tmp_path / "curve.png"
    plot_precision_recall(path, meter, "heading", "subject")
    car, sign = (places(path, colour) for colour in colours_of(meter.task.classes))
    assert len(car) > 500
    assert len(sign) == 0  # nobody labelled one
    line = car[car[:, 1] < 560]  # without the legend
    left, right = line[line[:, 1] < 250], line[line[:, 1] > 450]
    # From precision 1 at the top to 2/3 of the axes' height.
    drop = np.median(right[:, 0]) - np.median(left[:, 0])
    assert 130 < drop < 210


def test_the_pck_curve_rises_where_the_keypoints_lie(tmp_path: Path, places: Places) -> None:
    detection = DetectionTask(classes=("pedestrian",))
    meter = PoseMeter(PoseTask(), detection)
    keypoints = np.zeros((1, 17, 3), np.float32)
    keypoints[..., :2], keypoints[..., 2] = 60, 2
    points = keypoints[..., :2] + np.array([30, 0], np.float32)  # 0.3 of the box's height
    meter.add(
        Detections(("pedestrian",), PERSON, np.ones(1, np.float32), ALONE),
        Poses(KEYPOINTS, ALONE, points, np.ones((1, 17), np.float32)),
        Boxes(PERSON, np.zeros(1, np.int64), keypoints),
    )
    path = tmp_path / "pck.png"
    plot_pck(path, meter, "heading", "subject")
    curve = places(path, ACCENT)
    step = curve[(curve[:, 0] > 200) & (curve[:, 0] < 350)]
    left, right = curve[:, 1].min(), curve[:, 1].max()
    # Nothing is found up to 0.3 of 0.5, and everything from there on.
    assert (np.median(step[:, 1]) - left) / (right - left) == pytest.approx(0.6, abs=0.02)
    assert curve[curve[:, 0] < 110][:, 1].min() > np.median(step[:, 1]) - 6
