from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from edge_mtl.data.keypoints import oks_sigmas
from edge_mtl.tasks import KEYPOINTS, DetectionTask, PoseTask
from edge_mtl.train.batch import Batch, BoxTargets
from edge_mtl.train.losses.detection import answers_of
from edge_mtl.train.losses.pose import pose_loss

DETECTION = DetectionTask(classes=("pedestrian",), strides=(8,))
POSE = PoseTask(keypoints=("nose", "left_hip"), strides=(8,))
Targets = Callable[..., BoxTargets]
MakeBatch = Callable[..., Batch]


def raw_outputs() -> dict[str, Tensor]:
    """A box of 8x8 px from the cell with centre (12, 4) of a 32x16 picture; points at centres."""
    raw = {
        "detection_scores_8": torch.full((1, 1, 2, 4), -30.0),
        "detection_boxes_8": torch.zeros(1, 4, 2, 4),
        "pose_points_8": torch.zeros(1, 4, 2, 4, requires_grad=True),
        "pose_visible_8": torch.full((1, 2, 2, 4), 30.0, requires_grad=True),
    }
    raw["detection_scores_8"][0, 0, 0, 1] = 30.0
    raw["detection_boxes_8"][0, :, 0, 1] = 0.5
    return raw


def loss_of(raw: dict[str, Tensor], labels: Batch) -> Tensor:
    return pose_loss(POSE, answers_of(DETECTION, raw, labels), raw, labels)


def labelled(targets: Targets, batch: MakeBatch, *points: tuple[float, float, float]) -> Batch:
    keypoints = {"pose": torch.tensor([points])}
    return batch(1, boxes=[targets((8, 0, 16, 8, 0), keypoints=keypoints)])


def test_sigmas_are_cocos() -> None:
    assert oks_sigmas(KEYPOINTS)[:3] == (0.026, 0.025, 0.025)
    assert oks_sigmas(("left_ankle", "wheel")) == (0.089, 0.08)


def test_a_perfect_pose_has_next_to_no_loss(targets: Targets, batch: MakeBatch) -> None:
    loss = loss_of(raw_outputs(), labelled(targets, batch, (12, 4, 2), (12, 4, 2)))
    assert float(loss.detach()) == pytest.approx(0.2 * 1e-3, abs=1e-4)


def test_it_is_one_minus_similarity_and_the_distance(targets: Targets, batch: MakeBatch) -> None:
    loss = loss_of(raw_outputs(), labelled(targets, batch, (12, 4, 2), (14, 4, 2)))
    squared = (2 / 8) ** 2
    similarity = math.exp(-squared / (2 * (2 * 0.107) ** 2))
    expected = ((1 - similarity) + 0.2 * 2 / 8) / 2
    assert float(loss.detach()) == pytest.approx(expected, abs=3e-4)


def test_hidden_keypoints_have_a_place_but_are_not_seen(targets: Targets, batch: MakeBatch) -> None:
    raw = raw_outputs()
    loss_of(raw, labelled(targets, batch, (12, 4, 2), (15, 4, 1))).backward()
    seen, points = raw["pose_visible_8"].grad, raw["pose_points_8"].grad
    assert seen is not None
    assert points is not None
    assert seen[0, 0, 0, 1].abs() < 1e-6
    assert seen[0, 1, 0, 1] > 0.1
    assert points[0, 2, 0, 1] < 0  # further right
    assert (points[0, :, 1] == 0).all()  # cells of other rows answer for nothing


def test_unlabelled_keypoints_have_no_place(targets: Targets, batch: MakeBatch) -> None:
    raw = raw_outputs()
    loss_of(raw, labelled(targets, batch, (15, 4, 2), (0, 0, 0))).backward()
    points = raw["pose_points_8"].grad
    assert points is not None
    assert points[0, 0, 0, 1] < 0
    assert (points[0, 2:] == 0).all()


@pytest.mark.parametrize("known", [{}, {"keypoints": {"pose": torch.zeros(1, 2, 3)}}])
def test_people_without_keypoints_give_no_loss(
    targets: Targets, batch: MakeBatch, known: dict[str, dict[str, Tensor]]
) -> None:
    labels = batch(1, boxes=[targets((8, 0, 16, 8, 0), **known)])
    loss = loss_of(raw_outputs(), labels)
    assert float(loss.detach()) == 0.0
    assert not loss.requires_grad


def test_gradient_steps_from_far_away_find_the_keypoints(
    targets: Targets, batch: MakeBatch
) -> None:
    raw = raw_outputs()
    labels = labelled(targets, batch, (27, 13, 2), (3, 2, 1))
    optimizer = torch.optim.Adam([raw["pose_points_8"], raw["pose_visible_8"]], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss_of(raw, labels).backward()
        optimizer.step()
    offsets = raw["pose_points_8"][0, :, 0, 1]
    found = [12 + 8 * offsets[0], 4 + 8 * offsets[1], 12 + 8 * offsets[2], 4 + 8 * offsets[3]]
    assert [float(each.detach()) for each in found] == pytest.approx([27, 13, 3, 2], abs=0.3)
