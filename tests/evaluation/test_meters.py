from __future__ import annotations

import msgspec
import numpy as np
import pytest

from edge_mtl.data.sample import Boxes, Sample
from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.evaluation.meters import Meters
from edge_mtl.evaluation.table import accuracy_table
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import KEYPOINTS, ClassificationTask, DetectionTask, PoseTask, SegmentationTask

SPEC = ModelSpec(
    name="all",
    input=InputSpec(width=64, height=32),
    backbone="none",
    tasks=(
        SegmentationTask(name="surface", classes=("road", "sky")),
        DetectionTask(classes=("pedestrian",)),
        PoseTask(),
        ClassificationTask(name="time", classes=("day", "night")),
        ClassificationTask(name="present", classes=("dog", "cat"), multi_label=True),
    ),
)
IMAGE = np.zeros((32, 64, 3), np.uint8)
MASK = np.tile(np.array([0, 0, 0, 1], np.uint8), (32, 16))
BOX = np.array([[4, 4, 20, 30]], np.float32)
ALONE = np.array([0], np.int32)
POINTS = np.full((1, 17, 2), 10, np.float32)


def boxes(labelled: bool = True) -> Boxes:
    keypoints = np.concatenate([POINTS, np.full((1, 17, 1), 2, np.float32)], axis=2)
    return Boxes(BOX, np.zeros(1, np.int64), keypoints if labelled else None)


SCENE = Scene(
    (64, 32),
    {"detection": Detections(("pedestrian",), BOX, np.ones(1, np.float32), ALONE)},
    {"surface": Mask(("road", "sky"), MASK)},
    {"pose": Poses(KEYPOINTS, ALONE, POINTS, np.ones((1, 17), np.float32))},
    {
        "time": Classification(("day", "night"), np.array([0.8, 0.2], np.float32)),
        "present": Classification(("dog", "cat"), np.array([0.9, 0.9], np.float32)),
    },
)


def test_every_task_is_measured_and_reported_by_name() -> None:
    meters = Meters(SPEC)
    attributes = {"time": "night", "present": ("dog", "cat")}
    meters.add(SCENE, Sample(IMAGE, "", {"surface": MASK}, boxes(), attributes))
    meters.add(SCENE, Sample(IMAGE, "", attributes={"time": "day"}))
    accuracy = Accuracy(frames=2, tasks=meters.result())
    assert accuracy.headlines == pytest.approx(
        {"surface": 1.0, "detection": 1.0, "pose": 1.0, "time": 0.5, "present": 1.0}
    )
    assert accuracy.headline == pytest.approx(0.9)
    figures = accuracy.to_json()
    assert msgspec.json.decode(msgspec.json.encode(figures)) == figures
    assert figures["frames"] == 2
    assert figures["pose"]["pck"] == figures["pose"]["per_keypoint"]["nose"] == 1.0
    assert figures["time"]["accuracy"] == 0.5
    assert figures["present"]["per_class"]["cat"]["f1"] == 1.0
    for task in ("surface", "detection", "pose", "time", "present"):
        assert {"precision", "recall", "f1"} <= figures[task].keys()
    table = accuracy_table({"all": accuracy})
    assert table.row_count == sum(len(each.figures()) for each in accuracy.tasks.values())


def test_what_a_sample_does_not_label_is_not_measured() -> None:
    meters = Meters(SPEC)
    meters.add(SCENE, Sample(IMAGE, ""))
    assert meters.result() == {}
    meters.add(SCENE, Sample(IMAGE, "", boxes=boxes(labelled=False)))
    meters.add(SCENE, Sample(IMAGE, "", attributes={"weather": "rain", "time": "dawn"}))
    assert meters.result().keys() == {"detection"}
    assert dict(meters.labelled()) == {"detection": meters.detection["detection"]}
    assert Accuracy(frames=0, tasks={}).headline == 0.0
