from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from edge_mtl.spec import IMPORTED, RESERVED_NAMES, InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask, Task
from edge_mtl.tensor_spec import TensorSpec

ROAD = SegmentationTask(name="classes", classes=("Road", "Car"))
CARS = DetectionTask(name="objects", classes=("Car",), strides=(8, 32))


def spec(**changes: Any) -> ModelSpec:
    fields: dict[str, Any] = {
        "name": "tiny",
        "input": InputSpec(width=96, height=64),
        "backbone": "edgenet",
        "tasks": (ROAD, CARS),
    }
    return ModelSpec(**{**fields, **changes})


def spec_of(*tasks: Task) -> ModelSpec:
    return spec(input=InputSpec(width=640, height=384), tasks=tasks)


def test_tensors_follow_from_the_tasks() -> None:
    assert spec().input_tensor == TensorSpec("image", (1, 3, 64, 96))
    assert [(tensor.name, tensor.shape) for tensor in spec().output_tensors] == [
        ("classes", (1, 2, 16, 24)),
        ("objects_scores_8", (1, 1, 8, 12)),
        ("objects_boxes_8", (1, 4, 8, 12)),
        ("objects_scores_32", (1, 1, 2, 3)),
        ("objects_boxes_32", (1, 4, 2, 3)),
    ]
    assert spec().segmentations == (ROAD,)
    assert spec().detections == (CARS,)


def test_planes_are_inputs_as_large_as_the_picture() -> None:
    depth = PlaneInput(name="depth", mean=0.25, std=0.5)
    with_depth = spec(planes=(depth, PlaneInput(name="thermal", fusion="early")))
    assert spec().plane_tensors == ()
    assert with_depth.plane_tensors == (
        TensorSpec("depth", (1, 1, 64, 96)),
        TensorSpec("thermal", (1, 1, 64, 96)),
    )
    assert depth.normalization()[200] == pytest.approx((200 / 255 - 0.25) / 0.5, rel=1e-6)
    for taken in ("image", "classes", "objects_boxes_8", "depth"):
        with pytest.raises(ValueError, match=f"found {taken} twice"):
            spec(planes=(depth, PlaneInput(name=taken)))


def test_a_spec_from_before_there_were_planes_has_none() -> None:
    fields = msgspec.to_builtins(spec())
    del fields["planes"]
    assert msgspec.convert(fields, ModelSpec) == spec()


def test_normalization_is_the_formula() -> None:
    table = InputSpec(width=32, height=32).normalization()
    assert table.shape == (3, 256)
    assert table.dtype == np.float32
    assert table[1, 200] == pytest.approx((200 / 255 - 0.456) / 0.224, rel=1e-6)


def test_json_round_trip_keeps_the_kind_of_every_task() -> None:
    assert msgspec.json.decode(msgspec.json.encode(spec()), type=ModelSpec) == spec()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": InputSpec(width=96, height=64, name="classes")}, "found classes twice"),
        ({"tasks": (ROAD, ROAD)}, "found classes twice"),
        (
            {"tasks": (CARS, SegmentationTask(name="objects_boxes_8", classes=("a",)))},
            "found objects_boxes_8 twice",
        ),
        (
            {"tasks": (SegmentationTask(name="a", classes=("Road", "Road")),)},
            "task 'a' names a class twice",
        ),
    ],
)
def test_names_must_be_told_apart(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(**changes)


@pytest.mark.parametrize(
    "broken",
    [
        {"input": {"width": 100, "height": 64}},  # no multiple of 32
        {"input": {"width": 96, "height": 64, "std": [0, 1, 1]}},
        {"tasks": []},
        {"tasks": [{"type": "segmentation", "name": "a", "classes": []}]},
        {"tasks": [{"type": "segmentation", "name": "Not a name", "classes": ["x"]}]},
        {"tasks": [{"type": "detection", "classes": ["x"], "score_threshold": 1.5}]},
        {"tasks": [{"type": "detection", "classes": ["x"], "strides": [3]}]},
        {"tasks": [{"type": "detection", "classes": ["x"], "strides": []}]},
        {"tasks": [{"type": "detection", "classes": ["x"], "strides": [16, 8]}]},
        {"tasks": [{"type": "detection", "classes": ["x"], "strides": [8, 8]}]},
        {"tasks": [{"type": "pose", "classes": ["x"]}]},
        {"backbones": "edgenet"},  # an unknown key
    ],
)
def test_data_that_is_out_of_range_is_refused(broken: dict[str, Any]) -> None:
    data = {**msgspec.to_builtins(spec()), **broken}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(data, ModelSpec)


@pytest.mark.parametrize("name", RESERVED_NAMES)
def test_a_task_cannot_take_the_place_of_what_a_report_says_besides(name: str) -> None:
    with pytest.raises(ValueError, match=f"a field '{name}' of its own.*rename the task"):
        spec_of(ClassificationTask(name=name, classes=("a", "b")))


def test_pose_has_points_and_visibility_a_level() -> None:
    pose = PoseTask(keypoints=("nose", "left_eye"), strides=(8, 16))
    spec = spec_of(DetectionTask(classes=("pedestrian",), strides=(8, 16)), pose)
    shapes = {tensor.name: tensor.shape for tensor in spec.output_tensors}
    assert shapes["pose_points_8"] == (1, 4, 48, 80)
    assert shapes["pose_visible_16"] == (1, 2, 24, 40)
    assert spec.poses == (pose,)


@pytest.mark.parametrize(
    ("pose", "message"),
    [
        ({"detection": "boxes"}, "needs the detection task 'boxes', found detection"),
        ({"classes": ("tram",)}, "'tram', which is no class of 'detection'"),
        ({"strides": (8, 16)}, r"must have the strides of 'detection', \[8\], found \[8, 16\]"),
        ({"keypoints": ("nose", "nose")}, "names a keypoint twice"),
    ],
)
def test_a_pose_fits_its_detection(pose: dict[str, Any], message: str) -> None:
    detection = DetectionTask(classes=("pedestrian",), strides=(8,))
    with pytest.raises(ValueError, match=message):
        spec_of(detection, PoseTask(**{"strides": (8,), **pose}))


def test_a_binary_mask_has_one_logit_for_two_classes() -> None:
    road = SegmentationTask(name="road", classes=("background", "road"), stride=1, binary=True)
    assert spec_of(road).output_tensors[0].shape == (1, 1, 384, 640)
    with pytest.raises(ValueError, match="two classes, background first, found 3"):
        SegmentationTask(name="road", classes=("a", "b", "c"), binary=True)


def test_a_classification_is_a_logit_a_class() -> None:
    time = ClassificationTask(name="time", classes=("day", "night"))
    assert spec_of(time).output_tensors[0].shape == (1, 2, 1, 1)
    assert spec_of(time).classifications == (time,)


def test_a_model_has_as_many_tasks_of_a_kind_as_the_kernels_take() -> None:
    tasks = [ClassificationTask(name=f"group_{i}", classes=("a", "b")) for i in range(9)]
    assert len(spec_of(*tasks[:8]).classifications) == 8
    with pytest.raises(ValueError, match="at most 8 tasks of a kind, found 9"):
        spec_of(*tasks)


FOREIGN_TASKS = (
    SegmentationTask(name="surface", classes=("a", "b"), stride=16),
    SegmentationTask(name="lanes", classes=("a", "b"), grid=(61, 59)),
    DetectionTask(classes=("car",), strides=(8, 64)),
)


def test_an_imported_network_has_any_size_and_any_stride() -> None:
    picture = InputSpec(width=513, height=300)
    foreign = ModelSpec(name="a", input=picture, backbone=IMPORTED, tasks=FOREIGN_TASKS)
    assert {each.name: each.shape[2:] for each in foreign.output_tensors} == {
        "surface": (19, 33),  # the last cells lie over the rim
        "lanes": (59, 61),
        "detection_scores_8": (38, 65),
        "detection_boxes_8": (38, 65),
        "detection_scores_64": (5, 9),
        "detection_boxes_64": (5, 9),
    }


@pytest.mark.parametrize("task", FOREIGN_TASKS)
def test_our_own_networks_have_the_strides_of_their_pyramid(task: Any) -> None:
    with pytest.raises(ValueError, match="only a network that is imported may have others"):
        spec_of(task)
    with pytest.raises(ValueError, match=r"input.height must be a multiple of 32, found 300"):
        ModelSpec(
            name="a",
            input=InputSpec(width=512, height=300),
            backbone="edgenet-s",
            tasks=(ClassificationTask(name="b", classes=("c", "d")),),
        )
