from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import KEYPOINTS, ClassificationTask, DetectionTask, PoseTask
from edge_mtl.train.batch import NO_CLASS, batch_from_samples

BLACK = np.zeros((4, 6, 3), np.uint8)
TIME = ClassificationTask(name="time", classes=("day", "night"))
PRESENT = ClassificationTask(name="present", classes=("car", "sign", "tram"), multi_label=True)


def spec_with(spec: ModelSpec, *tasks: DetectionTask | PoseTask | ClassificationTask) -> ModelSpec:
    return msgspec.structs.replace(spec, tasks=tasks)


def test_planes_are_normalised_and_unknown_where_a_sample_has_none(spec: ModelSpec) -> None:
    depth = PlaneInput(name="depth", mean=0.2, std=0.4)
    plane = np.full((4, 6), 153, np.uint8)
    samples = [Sample(BLACK, "a", planes={"depth": plane, "thermal": plane}), Sample(BLACK, "b")]
    batch = batch_from_samples(samples, msgspec.structs.replace(spec, planes=(depth,)))
    assert list(batch.planes) == ["depth"]
    assert batch.planes["depth"].shape == (2, 1, 4, 6)
    assert batch.planes["depth"].dtype == torch.float32
    assert batch.planes["depth"][:, 0, 0, 0].tolist() == pytest.approx([1.0, -0.5])
    moved = batch.map(lambda tensor: tensor + 1)
    assert torch.equal(moved.planes["depth"], batch.planes["depth"] + 1)
    assert batch_from_samples(samples, spec).planes == {}


def test_samples_become_tensors(spec: ModelSpec) -> None:
    network_input = InputSpec(width=32, height=32, mean=(0.5, 0.0, 0.0), std=(0.5, 1.0, 1.0))
    spec = msgspec.structs.replace(spec, input=network_input)
    image = BLACK.copy()
    image[1, 2] = (51, 102, 255)  # blue, green, red
    mask = np.full((4, 6), 2, np.uint8)
    boxes = Boxes(np.array([[1, 1, 3, 2]], np.float32), np.array([1]))
    samples = [Sample(image, "a", {"segmentation": mask}, boxes), Sample(image, "b")]
    batch = batch_from_samples(samples, spec)
    assert batch.image.shape == (2, 3, 4, 6)
    assert batch.image.dtype == torch.float32
    assert batch.image[0, :, 1, 2].tolist() == pytest.approx([1.0, 0.4, 0.2])  # red first
    assert batch.image[0, :, 0, 0].tolist() == [-1.0, 0.0, 0.0]
    assert batch.masks["segmentation"].dtype == torch.int64
    assert batch.masks["segmentation"][:, 0, 0].tolist() == [2, IGNORE]
    found, missing = batch.boxes
    assert found is not None
    assert found.corners.tolist() == [[1, 1, 3, 2]]
    assert found.class_ids.tolist() == [1]
    assert (found.keypoints, found.ignored.shape, found.searched) == ({}, (0, 4), None)
    assert missing is None
    assert batch.names == ["a", "b"]


def test_keypoints_take_the_order_of_each_pose_task(spec: ModelSpec) -> None:
    head = PoseTask(name="head", keypoints=("right_ear", "chin", "nose"), strides=(8, 16))
    whole = PoseTask(name="whole", strides=(8, 16))
    detection = DetectionTask(classes=("pedestrian",), strides=(8, 16))
    points = np.arange(2 * 17 * 3, dtype=np.float32).reshape(2, 17, 3)
    boxes = Boxes(np.zeros((2, 4), np.float32), np.zeros(2, np.int64), points)
    batch = batch_from_samples(
        [Sample(BLACK, "a", boxes=boxes)], spec_with(spec, detection, head, whole)
    )
    [found] = batch.boxes
    assert found is not None
    assert found.keypoints.keys() == {"head", "whole"}
    assert torch.equal(found.keypoints["whole"], torch.from_numpy(points))
    ear, chin, nose = found.keypoints["head"].unbind(1)
    assert torch.equal(ear, torch.from_numpy(points[:, KEYPOINTS.index("right_ear")]))
    assert torch.equal(nose, torch.from_numpy(points[:, 0]))
    assert not chin.any()  # nobody labels it


def test_only_classes_with_a_pose_have_keypoints(spec: ModelSpec) -> None:
    detection = DetectionTask(classes=("car", "rider", "pedestrian"), strides=(8, 16))
    pose = PoseTask(classes=("pedestrian",), strides=(8, 16))
    boxes = Boxes(
        np.zeros((3, 4), np.float32), np.array([1, 2, 0]), np.ones((3, 17, 3), np.float32)
    )
    sample = Sample(BLACK, "a", boxes=boxes)
    [found] = batch_from_samples([sample], spec_with(spec, detection, pose)).boxes
    assert found is not None
    assert found.keypoints["pose"].flatten(1).any(1).tolist() == [False, True, False]


def test_crowds_and_what_was_searched_for_come_along(spec: ModelSpec) -> None:
    boxes = Boxes(
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.int64),
        ignored=np.array([[0, 1, 2, 3]], np.float32),
        searched=np.array([True, False]),
    )
    [found] = batch_from_samples([Sample(BLACK, "a", boxes=boxes)], spec).boxes
    assert found is not None
    assert found.ignored.tolist() == [[0, 1, 2, 3]]
    assert found.searched is not None
    assert found.searched.tolist() == [True, False]
    assert found.corners.shape == (0, 4)


def test_attributes_say_a_class_several_or_nothing(spec: ModelSpec) -> None:
    samples = [
        Sample(BLACK, "a", attributes={"time": "night", "present": ("car", "tram")}),
        Sample(BLACK, "b", attributes={"time": "dusk", "present": ()}),
        Sample(BLACK, "c", attributes={"present": "sign"}),
        Sample(BLACK, "d"),
    ]
    attributes = batch_from_samples(samples, spec_with(spec, TIME, PRESENT)).attributes
    assert attributes["time"].dtype == torch.int64
    assert attributes["time"].tolist() == [1, NO_CLASS, NO_CLASS, NO_CLASS]
    assert attributes["present"].dtype == torch.float32
    assert attributes["present"][:3].tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert attributes["present"][3].isnan().all()


def test_everything_is_moved(spec: ModelSpec) -> None:
    detection = DetectionTask(classes=("pedestrian",), strides=(8, 16))
    boxes = Boxes(
        np.zeros((1, 4), np.float32),
        np.zeros(1, np.int64),
        np.zeros((1, 17, 3), np.float32),
        searched=np.array([True]),
    )
    sample = Sample(BLACK, "a", boxes=boxes, attributes={"time": "day"})
    whole = spec_with(spec, detection, PoseTask(strides=(8, 16)), TIME)
    batch = batch_from_samples([sample], whole, skipped=("x.png: damaged",))
    moved = batch.to(torch.device("meta"))
    [found] = moved.boxes
    assert found is not None
    assert found.searched is not None
    tensors = [moved.image, *moved.masks.values(), *moved.attributes.values(), found.corners]
    tensors += [found.class_ids, *found.keypoints.values(), found.ignored, found.searched]
    assert len(tensors) == 7
    assert all(tensor.is_meta for tensor in tensors)
    assert (moved.names, moved.skipped) == (["a"], ("x.png: damaged",))
