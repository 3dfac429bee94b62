from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
import torch
from torch import Tensor

from edge_mtl.errors import UsageError
from edge_mtl.network.backbones import BACKBONES
from edge_mtl.network.features import Features
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask, Task

TASKS: tuple[Task, ...] = (
    SegmentationTask(name="drivable", classes=("no", "yes"), stride=8, binary=True),
    ClassificationTask(name="time", classes=("day", "dusk", "night")),
    DetectionTask(classes=("pedestrian", "sign"), strides=(4, 16, 32)),
    SegmentationTask(name="surface", classes=("road", "grass", "snow")),
    SegmentationTask(name="lanes", classes=("background", "lane")),
    SegmentationTask(name="kerb", classes=("background", "kerb"), stride=2, binary=True),
    SegmentationTask(name="wires", classes=("a", "b", "c"), stride=1),
    PoseTask(keypoints=("head", "left_foot", "right_foot"), strides=(4, 16, 32)),
    ClassificationTask(name="present", classes=("car", "sign"), multi_label=True),
)


def make_spec(
    backbone: str = "edgenet-n", tasks: tuple[Task, ...] = TASKS, attention: str = "none"
) -> ModelSpec:
    plain = ModelSpec(
        name="tiny",
        input=InputSpec(width=96, height=64),
        backbone=backbone,
        neck_channels=8,
        tasks=tasks,
    )
    return msgspec.structs.replace(plain, attention=attention)


def shapes(outputs: dict[str, Tensor]) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(value.shape)) for name, value in outputs.items()]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_outputs_are_those_of_the_spec(backbone: str) -> None:
    spec = make_spec(backbone)
    with torch.device("meta"):
        outputs = Network(spec)(torch.zeros(spec.input_tensor.shape))
    assert shapes(outputs) == [(tensor.name, tensor.shape) for tensor in spec.output_tensors]


def test_other_sizes_and_batches() -> None:
    with torch.device("meta"):
        outputs = Network(make_spec())(torch.zeros(2, 3, 32, 160))
    assert outputs["surface"].shape == (2, 3, 8, 40)
    assert outputs["drivable"].shape == (2, 1, 4, 20)
    assert outputs["kerb"].shape == (2, 1, 16, 80)
    assert outputs["wires"].shape == (2, 3, 32, 160)
    assert outputs["detection_boxes_32"].shape == (2, 4, 1, 5)
    assert outputs["pose_points_16"].shape == (2, 6, 2, 10)
    assert outputs["pose_visible_4"].shape == (2, 3, 8, 40)
    assert outputs["present"].shape == (2, 2, 1, 1)


@dataclass(frozen=True)
class Case:
    """tasks: by index in `TASKS`."""

    tasks: tuple[int, ...] = tuple(range(len(TASKS)))
    attention: str = "none"


@pytest.mark.parametrize(
    "case",
    [
        Case(),
        Case(attention="squeeze-excite"),
        Case(attention="cross-task"),
        # Without a reader of the finest levels the pyramid does not have them.
        Case(tasks=(0, 1)),
        Case(tasks=(1,)),
    ],
    ids=str,
)
def test_every_parameter_reaches_an_output(case: Case) -> None:
    tasks = tuple(TASKS[i] for i in case.tasks)
    network = Network(make_spec(tasks=tasks, attention=case.attention)).train()
    outputs = network(torch.randn(2, 3, 64, 96))
    torch.stack([value.square().mean() for value in outputs.values()]).sum().backward()
    without = [name for name, value in network.named_parameters() if value.grad is None]
    assert without == []


def test_the_features_and_the_outputs_make_up_the_network() -> None:
    torch.manual_seed(0)
    network = Network(make_spec()).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        features = network.features(image)
        found, expected = network.outputs(features), network(image)
    assert [each.shape[1] for each in features.backbone] == list(network.backbone.channels)
    assert {stride: each.shape[1:] for stride, each in features.pyramid.items()} == {
        stride: (8, 64 // stride, 96 // stride) for stride in (4, 8, 16, 32)
    }
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_an_untrained_network_sees_next_to_nothing() -> None:
    """The head starts at a prior of 1 %, so that training does not start with all cells wrong."""
    torch.manual_seed(0)
    spec = make_spec()
    with torch.inference_mode():
        outputs = Network(spec)(torch.randn(spec.input_tensor.shape))
    assert outputs["detection_scores_16"].sigmoid().max() < 0.05
    assert outputs["detection_boxes_16"].mean() == pytest.approx(1.5, abs=0.2)


def test_untrained_keypoints_are_near_their_cell() -> None:
    torch.manual_seed(0)
    spec = make_spec()
    with torch.inference_mode():
        outputs = Network(spec)(torch.randn(spec.input_tensor.shape))
    for stride in (4, 16, 32):
        assert outputs[f"pose_points_{stride}"].abs().max() < 0.5
        assert (outputs[f"pose_visible_{stride}"].sigmoid() - 0.5).abs().max() < 0.1


def test_a_picture_is_classified_as_a_whole() -> None:
    """Logits do not depend on where something is, but on what is there."""
    torch.manual_seed(0)
    head = Network(make_spec(tasks=TASKS[1:2])).eval().heads[0]
    coarse = torch.rand(1, 160, 2, 3)
    with torch.inference_mode():
        here, there, other = (
            head(Features([each], {}))["time"] for each in (coarse, coarse.flip(2, 3), coarse + 0.5)
        )
    torch.testing.assert_close(here, there)
    assert not torch.allclose(here, other)


@pytest.mark.parametrize(
    ("name", "near"),
    [("edgenet-x", "edgenet-"), ("fusionet", "fusionnet"), ("multitask_cnn", "multitask-cnn")],
)
def test_an_unknown_backbone_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=rf"unknown backbone '{name}'; did you mean '{near}.*timm"):
        Network(make_spec(name))


@pytest.mark.parametrize(
    ("backbone", "task"),
    [
        ("edgenet-n", SegmentationTask(name="half", classes=("a", "b"))),
        ("edgenet-n", ClassificationTask(name="type", classes=("a", "b"))),
        ("multitask-cnn", ClassificationTask(name="training", classes=("a", "b"))),
    ],
)
def test_names_that_torch_needs_are_refused(backbone: str, task: Task) -> None:
    with pytest.raises(UsageError, match=f"found '{task.name}'.*choose another name"):
        Network(make_spec(backbone, (task,)))


@pytest.mark.parametrize("backbone", ["edgenet-n", "efficientnet-lite0", "resnet18"])
def test_masks_at_stride_2_see_the_backbones_detail_where_it_gives_any(backbone: str) -> None:
    task = SegmentationTask(name="surface", classes=("Road", "Car"), stride=2)
    spec = ModelSpec(
        name="fine",
        input=InputSpec(width=64, height=64),
        backbone=backbone,
        neck_channels=32,
        tasks=(task,),
    )
    torch.manual_seed(0)
    network = Network(spec).eval()
    features = network.features(torch.randn(1, 3, 64, 64))
    before = network.outputs(features)["surface"]
    assert before.shape == (1, 2, 32, 32)
    features.backbone[0] += 1.0
    changed = not torch.equal(network.outputs(features)["surface"], before)
    assert changed == (network.backbone.strides[0] == 2)
