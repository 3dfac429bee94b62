from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.evaluation.plots.frames import Frame, plot_boxes, plot_masks, plot_poses
from edge_mtl.evaluation.plots.style import WRONG
from edge_mtl.scene import Detections, Mask, Poses, Scene
from edge_mtl.tasks import KEYPOINTS, DetectionTask, PoseTask, SegmentationTask

Places = Callable[..., NDArray[np.int64]]
MASKS = SegmentationTask(name="surface", classes=("road", "sky"))
BOXES = DetectionTask(classes=("pedestrian", "car"))
CORNERS = np.array([(20, 20, 60, 90), (90, 40, 150, 90)], np.float32)


@pytest.fixture
def frame() -> Frame:
    """A grey picture with everything found as it is labelled."""
    mask = np.zeros((120, 160), np.uint8)
    mask[:40] = 1
    mask[:, :10] = IGNORE
    keypoints = np.zeros((2, 17, 3), np.float32)
    keypoints[0] = [(40, 30 + 3 * i, 2) for i in range(17)]
    class_ids = np.array([0, 1])
    image = np.full((120, 160, 3), 90, np.uint8)
    sample = Sample(image, "grey", {"surface": mask}, Boxes(CORNERS, class_ids, keypoints))
    scores = np.array([0.9, 0.8], np.float32)
    scene = Scene(
        (160, 120),
        {"detection": Detections(BOXES.classes, CORNERS, scores, class_ids.astype(np.int32))},
        {"surface": Mask(MASKS.classes, np.where(mask == IGNORE, 0, mask).astype(np.uint8))},
        {
            "pose": Poses(
                KEYPOINTS,
                np.array([0], np.int32),
                keypoints[:1, :, :2],
                np.ones((1, 17), np.float32),
            )
        },
    )
    return Frame("a picture", sample, scene)


def drawn(tmp_path: Path, plot: Callable[..., None], task: object, frame: Frame) -> Path:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
    plot(path, task, [frame], "heading", "subject")
    return path


def test_wrong_regions_are_outlined(tmp_path: Path, places: Places, frame: Frame) -> None:
    right = places(drawn(tmp_path, plot_masks, MASKS, frame), "#ffffff", 60)
    labels = frame.scene.masks["surface"].labels.copy()
    labels[60:100, 60:100] = 1
    wrong = replace(
        frame, scene=msgspec.structs.replace(frame.scene, masks={"surface": Mask((), labels)})
    )
    outlined = places(drawn(tmp_path, plot_masks, MASKS, wrong), "#ffffff", 60)
    inside = (slice(None), 1)
    assert (outlined[inside] > 1050).sum() - (right[inside] > 1050).sum() > 300


def test_boxes_that_are_wrong_have_a_colour_of_their_own(
    tmp_path: Path, places: Places, frame: Frame
) -> None:
    right = places(drawn(tmp_path, plot_boxes, BOXES, frame), WRONG, 50)
    boxes = msgspec.structs.replace(
        frame.scene.detections["detection"], boxes=CORNERS + np.float32(45)
    )
    wrong = replace(
        frame, scene=msgspec.structs.replace(frame.scene, detections={"detection": boxes})
    )
    shown = places(drawn(tmp_path, plot_boxes, BOXES, wrong), WRONG, 50)
    assert right[:, 0].min() > 450  # its place in the legend
    assert len(shown) > len(right) + 300
    assert shown[:, 1].max() > 1050  # in the panel of what was found
    nobody = replace(frame.sample.boxes, searched=np.zeros(2, bool))
    uncounted = replace(wrong, sample=replace(frame.sample, boxes=nobody))
    assert len(places(drawn(tmp_path, plot_boxes, BOXES, uncounted), WRONG, 50)) == len(right)


def test_poses_are_shown_from_near(tmp_path: Path, places: Places, frame: Frame) -> None:
    task = PoseTask()
    near = places(drawn(tmp_path, plot_poses, task, frame), "#00d7e1")
    assert near[:, 1].min() > 500
    limb = near[near[:, 0] < 400]
    # 48 pixels of a picture of 120, drawn 3 times 70 pixels high in a panel of 375: not smaller.
    assert np.ptp(limb[:, 0]) > 48 / 120 * 340
