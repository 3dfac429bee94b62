"""Engines that read their answers off the picture, so that what is found is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.labelling.network_teacher import NetworkTeacher
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask

STRIDE = 8
SPEC = ModelSpec(
    name="reader",
    input=InputSpec(width=96, height=64, mean=(0, 0, 0), std=(1, 1, 1)),
    backbone="none",
    tasks=(
        SegmentationTask(name="classes", classes=("red", "green", "blue"), stride=STRIDE),
        DetectionTask(classes=("car", "pedestrian"), strides=(STRIDE,), score_threshold=0.05),
        PoseTask(keypoints=("nose", "left_wrist"), strides=(STRIDE,)),
        ClassificationTask(name="time", classes=("day", "night")),
    ),
)


class Reader:
    """Gives as class logits ten times the planes of the picture at the cells' middles, and at
    white cells a pedestrian of 2x2 cells with its nose at its top and a wrist at its left."""

    name = "reader"

    def __init__(self, spec: ModelSpec) -> None:
        self.input_tensor = spec.input_tensor
        self.output_tensors = spec.output_tensors
        self.image: np.ndarray = np.zeros(self.input_tensor.shape, np.float32)
        self.planes: dict[str, np.ndarray] = {}
        self.plane_tensors = spec.plane_tensors
        self.outputs: Mapping[str, np.ndarray] = {
            tensor.name: np.zeros(tensor.shape, np.float32) for tensor in self.output_tensors
        }

    def infer(self, frames: int = 1) -> None:
        planes = self.image[:, :, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
        self.outputs["classes"][:] = 10 * planes
        white = planes.min(1) > 0.9
        scores = self.outputs[f"detection_scores_{STRIDE}"]
        scores[:] = -9
        scores[:, 1] = np.where(white, 2.0, -9.0)
        self.outputs[f"detection_boxes_{STRIDE}"][:] = 1.0
        points = [0, -1, -1, 0]  # the nose above the cell's middle, the wrist left of it
        self.outputs[f"pose_points_{STRIDE}"][:] = np.reshape(points, (1, 4, 1, 1))
        self.outputs[f"pose_visible_{STRIDE}"][:] = np.reshape([3, -3], (1, 2, 1, 1))
        self.outputs["time"][:, :, 0, 0] = [0.0, planes.mean() * 4]

    def close(self) -> None: ...


@pytest.fixture
def teacher() -> NetworkTeacher:
    return NetworkTeacher([Pipeline(SPEC, Reader(SPEC))])


def test_a_network_that_takes_planes_is_no_teacher() -> None:
    spec = msgspec.structs.replace(SPEC, planes=(PlaneInput(name="depth"),))
    reader = Reader(spec)
    reader.planes = {"depth": np.zeros(spec.plane_tensors[0].shape, np.float32)}
    with pytest.raises(UsageError, match=r"looks at pictures alone, .* the plane 'depth' too"):
        NetworkTeacher([Pipeline(spec, reader)])


@pytest.fixture
def image() -> np.ndarray:
    """The left two thirds red, the rest green, and a white cell at column 2, row 3."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :64, 2] = 255
    picture[:, 64:, 1] = 255
    picture[24:32, 16:24] = 255
    return picture


def test_its_vocabulary_is_its_tasks(teacher: NetworkTeacher) -> None:
    assert teacher.vocabulary.masks == {"classes": ("red", "green", "blue")}
    assert teacher.vocabulary.boxes == ("car", "pedestrian")
    assert teacher.vocabulary.attributes == {"time": ("day", "night")}
    assert teacher.name == "reader (reader)"


def test_both_views_agree_on_the_masks(teacher: NetworkTeacher, image: np.ndarray) -> None:
    """Were one of them left mirrored, the classes would be a coin's toss at half of the pixels."""
    found = teacher(image).masks["classes"]
    sure = np.exp(10.0) / (np.exp(10.0) + 2)
    assert_array_equal(found.labels[40:, :56], 0)
    assert_array_equal(found.labels[40:, 72:], 1)
    assert_allclose(found.confidence[40:, :56], sure, atol=1e-4)
    # Half way between a red and a green cell: 0.5 each, or nearly.
    assert found.confidence[50, 63] < 0.6


@pytest.mark.parametrize(("mirror", "label"), [(False, 0), (True, 1)])
def test_the_mirror_image_counts_as_much(image: np.ndarray, mirror: bool, label: int) -> None:
    """An engine that sees green in the left half of its input only: straight on, red and blue seem
    equally likely at the right, and in the mirror green is certain there."""

    class LeftEyed(Reader):
        def infer(self, frames: int = 1) -> None:
            super().infer()
            self.outputs["classes"][:, 1, :, 6:] = -20.0

    mask = NetworkTeacher([Pipeline(SPEC, LeftEyed(SPEC))], mirror=mirror)(image).masks["classes"]
    assert mask.labels[50, 90] == label
    assert_allclose(mask.confidence[50, 90], 0.5, atol=1e-3)


def test_a_box_with_its_keypoints(teacher: NetworkTeacher, image: np.ndarray) -> None:
    found = teacher(image).boxes
    assert found is not None
    assert found.points is not None
    score = 1 / (1 + np.exp(-2.0))
    assert_allclose(found.scores, [score], atol=1e-5)
    assert_array_equal(found.class_ids, [1])
    assert_allclose(found.corners, [[12, 20, 28, 36]], atol=1e-3)
    assert_allclose(found.points[0, 0], [20, 20, 1 / (1 + np.exp(-3.0))], atol=1e-3)


def test_attributes_are_the_mean_of_the_views(teacher: NetworkTeacher, image: np.ndarray) -> None:
    found = teacher(image).attributes["time"]
    assert not found.several
    assert_allclose(found.scores.sum(), 1.0, atol=1e-5)
    assert found.scores[1] > 0.6


def test_a_network_at_two_scales(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra train is not installed")
    from edge_mtl.network.checkpoint import save_checkpoint
    from edge_mtl.network.network import Network

    spec = ModelSpec(
        name="tiny",
        input=InputSpec(width=96, height=64),
        backbone="edgenet-n",
        neck_channels=8,
        tasks=(SegmentationTask(name="road", classes=("no", "yes"), binary=True),),
    )
    torch.manual_seed(0)
    network = Network(spec)
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, spec, network.state_dict())
    picture = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    found = {
        scales: NetworkTeacher.open(path, scales=scales, threads=1)(picture).masks["road"]
        for scales in ((1.0,), (2.0,), (1.0, 2.0))
    }
    yes = {
        scales: np.where(mask.labels == 1, mask.confidence, 1 - mask.confidence)
        for scales, mask in found.items()
    }
    assert yes[1.0,].shape == (50, 70)
    assert not np.allclose(yes[1.0,], yes[2.0,])
    assert_allclose(yes[1.0, 2.0], (yes[1.0,] + yes[2.0,]) / 2, atol=1e-5)
    with pytest.raises(UsageError, match=r"at least 32 pixels a side, found 0\.1 of 96x64"):
        NetworkTeacher.open(path, scales=(0.1,))


def test_a_bundle(tiny_bundle: Bundle, tiny_bundle_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    teacher = NetworkTeacher.open(tiny_bundle_path, engine="onnxruntime", threads=1)
    found = teacher(np.zeros((64, 96, 3), np.uint8))
    spec = tiny_bundle.spec
    assert set(found.masks) == {task.name for task in spec.segmentations}
    assert set(found.attributes) == {task.name for task in spec.classifications}
    assert teacher.vocabulary.boxes == spec.detections[0].classes
    assert found.boxes is not None
    assert found.boxes.corners.shape == (len(found.boxes.scores), 4)
    teacher.close()
    with pytest.raises(UsageError, match=r"a bundle runs at its own size, found scales 1, 2;"):
        NetworkTeacher.open(tiny_bundle_path, scales=(1.0, 2.0))


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra train is not installed")
    with pytest.raises(EdgeMtlError, match="no such checkpoint"):
        NetworkTeacher.open(tmp_path / "none.safetensors")
