from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor, nn

from edge_mtl.data.sample import IGNORE
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.network.checkpoint import save_checkpoint
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import ClassificationTask, DetectionTask, SegmentationTask, Task
from edge_mtl.train.batch import NO_CLASS, Batch, BoxTargets
from edge_mtl.train.distillation.config import DistillationConfig
from edge_mtl.train.distillation.distillation import Distillation
from edge_mtl.train.distillation.soft_losses import divergence_loss

INPUT = InputSpec(width=64, height=64)
CPU = torch.device("cpu")


def spec_of(*tasks: Task, **changes: object) -> ModelSpec:
    return ModelSpec(
        name="tiny",
        input=msgspec.structs.replace(INPUT, **changes),
        backbone="edgenet-n",
        neck_channels=8,
        tasks=tasks,
    )


TEACHER = spec_of(
    SegmentationTask(name="surface", classes=("road", "grass", "sky")),
    SegmentationTask(name="lanes", classes=("no", "lane"), stride=8),
    DetectionTask(classes=("car", "person"), strides=(8, 16)),
    ClassificationTask(name="time", classes=("day", "dusk", "night")),
    ClassificationTask(name="seen", classes=("sun", "rain"), multi_label=True),
)


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def teacher(image: Tensor) -> Network:
    """A network that is sure here and there. Without training it would say one thing everywhere:
    the layers that give its raw outputs are stretched to a mean of 0 and a deviation of 2."""
    torch.manual_seed(0)
    network = Network(TEACHER).eval()
    layers: dict[int, nn.Conv2d] = {}
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda layer, _, said: layers.update({id(said): layer}))
    raw = network(image)
    with torch.no_grad():
        for name, said in raw.items():
            if id(said) in layers and "boxes" not in name:
                layer, (std, mean) = layers[id(said)], torch.std_mean(said, (0, 2, 3))
                assert layer.bias is not None
                layer.weight.mul_((2 / std)[:, None, None, None])
                layer.bias.sub_(mean).mul_(2 / std)
    return network


@pytest.fixture(scope="module")
def checkpoint(teacher: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_checkpoint(path, TEACHER, teacher.state_dict())
    return path


def batch_of(image: Tensor, spec: ModelSpec) -> Batch:
    """Nothing is labelled."""
    samples = len(image)
    unlabelled = torch.full((samples, 64, 64), IGNORE)
    attributes = {
        task.name: torch.full((samples, len(task.classes)), math.nan)
        if task.multi_label
        else torch.full((samples,), NO_CLASS)
        for task in spec.classifications
    }
    return Batch(
        image,
        {task.name: unlabelled.clone() for task in spec.segmentations},
        [None] * samples,
        ["x"] * samples,
        attributes,
    )


def distil(
    checkpoint: Path, spec: ModelSpec, image: Tensor, raw: dict[str, Tensor], **config: object
) -> dict[str, Tensor]:
    settings = DistillationConfig(teacher=str(checkpoint), **config)  # type: ignore[arg-type]
    return Distillation(settings, spec, CPU)(raw, batch_of(image, spec))


def test_a_student_that_is_the_teacher_has_no_loss(
    checkpoint: Path, teacher: Network, image: Tensor
) -> None:
    losses = distil(checkpoint, TEACHER, image, teacher(image))
    assert list(losses) == ["surface", "lanes", "detection", "time", "seen"]
    assert all(abs(loss.item()) < 1e-5 for loss in losses.values())


def test_the_student_learns_and_the_teacher_does_not(checkpoint: Path, image: Tensor) -> None:
    torch.manual_seed(1)
    student = Network(TEACHER).train()
    losses = distil(checkpoint, TEACHER, image, student(image), weight=1.0)
    torch.stack(list(losses.values())).sum().backward()
    learning = [name for name, each in student.named_parameters() if each.grad is not None]
    assert all(loss.item() > 0 for loss in losses.values())
    assert set(learning) == {name for name, _ in student.named_parameters()}
    again = distil(checkpoint, TEACHER, image, student(image), weight=2.5)
    assert again["time"].item() == pytest.approx(2.5 * losses["time"].item(), rel=1e-3)


def test_classes_are_the_same_by_name_and_others_are_left_out(
    checkpoint: Path, teacher: Network, image: Tensor
) -> None:
    """The student has two of three classes, in another order, and one that the teacher lacks."""
    student = spec_of(
        SegmentationTask(name="surface", classes=("sky", "wall", "road")),
        SegmentationTask(name="other", classes=("road", "sky")),
    )
    soft = teacher(image)["surface"]
    raw = {"surface": torch.zeros(2, 3, 16, 16), "other": torch.zeros(2, 2, 16, 16)}
    losses = distil(checkpoint, student, image, raw, temperature=3.0)
    assert list(losses) == ["surface"]
    choice = soft.argmax(1)
    expected = divergence_loss(torch.zeros(2, 2, 16, 16), soft[:, [2, 0]], choice != 1, 3.0)
    assert 0 < (choice != 1).sum() < choice.numel()
    assert torch.allclose(losses["surface"], expected, atol=1e-5)


def test_unsure_pixels_give_no_loss(checkpoint: Path, teacher: Network, image: Tensor) -> None:
    soft = teacher(image)["surface"]
    confidence = soft.softmax(1).amax(1)
    threshold = confidence.median().item()
    raw = {"surface": torch.zeros_like(soft)}
    student = spec_of(TEACHER.tasks[0])
    losses = distil(checkpoint, student, image, raw, min_confidence=threshold)
    expected = divergence_loss(raw["surface"], soft, confidence >= threshold, 2.0)
    assert torch.allclose(losses["surface"], expected, atol=1e-5)


def test_padding_gives_no_loss(checkpoint: Path, teacher: Network, image: Tensor) -> None:
    padded = image.clone()
    grey = torch.from_numpy(INPUT.normalization()[:, INPUT.pad])
    padded[:, :, :24] = grey[:, None, None]
    soft = teacher(padded)["surface"]
    raw = {"surface": torch.zeros_like(soft)}
    counted = torch.ones(2, 16, 16, dtype=torch.bool)
    counted[:, :6] = False
    losses = distil(checkpoint, spec_of(TEACHER.tasks[0]), padded, raw)
    expected = divergence_loss(raw["surface"], soft, counted, 2.0)
    assert torch.allclose(losses["surface"], expected, atol=1e-5)


def test_one_logit_stands_for_two_classes_at_another_resolution(
    checkpoint: Path, teacher: Network, image: Tensor
) -> None:
    """The student says with one logit at stride 4 what the teacher says with two at stride 8."""
    student = spec_of(SegmentationTask(name="lanes", classes=("no", "lane"), binary=True))
    soft = torch.nn.functional.interpolate(
        teacher(image)["lanes"], (16, 16), mode="bilinear", align_corners=False
    )
    same = {"lanes": soft[:, 1:] - soft[:, :1]}
    losses = distil(checkpoint, student, image, same)
    assert losses["lanes"].item() == pytest.approx(0.0, abs=1e-5)
    losses = distil(checkpoint, student, image, {"lanes": same["lanes"] + 3.0})
    assert losses["lanes"].item() > 0.01


def test_a_teacher_with_another_normalisation_sees_the_same_picture(
    teacher: Network, checkpoint: Path, image: Tensor
) -> None:
    other = spec_of(*TEACHER.tasks, mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0))
    mean, std = (torch.tensor(each)[:, None, None] for each in (INPUT.mean, INPUT.std))
    pixels = image * std + mean
    renormalised = (pixels - 0.5) / torch.tensor(other.input.std)[:, None, None]
    losses = distil(checkpoint, other, renormalised, teacher(image))
    assert all(abs(loss.item()) < 1e-4 for loss in losses.values())


def test_what_is_labelled_is_left_to_its_labels(checkpoint: Path, image: Tensor) -> None:
    """With unlabelled_only a batch whose first sample has labels is as one without it."""
    torch.manual_seed(2)
    with torch.no_grad():
        raw = Network(TEACHER).eval()(image)
    settings = DistillationConfig(teacher=str(checkpoint), unlabelled_only=True)
    distillation = Distillation(settings, TEACHER, CPU)
    batch = batch_of(image, TEACHER)
    batch.masks["surface"][0, 5, 5] = 0
    batch.masks["lanes"][0, 5, 5] = 0
    batch.boxes[0] = BoxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    batch.attributes["time"][0] = 1
    batch.attributes["seen"][0] = torch.tensor([1.0, 0.0])
    alone = {name: each[1:] for name, each in raw.items()}
    expected = distillation(alone, batch_of(image[1:], TEACHER))
    everything = distil(checkpoint, TEACHER, image, raw)
    for name, loss in distillation(raw, batch).items():
        assert torch.allclose(loss, expected[name], rtol=1e-4), name
        assert not torch.allclose(loss, everything[name], rtol=1e-3), name


def test_levels_that_only_one_has_are_left_out(
    checkpoint: Path, teacher: Network, image: Tensor
) -> None:
    student = spec_of(DetectionTask(classes=("person", "dog"), strides=(16, 32)))
    soft = teacher(image)
    raw = {
        "detection_scores_16": torch.cat(
            [soft["detection_scores_16"][:, 1:], torch.randn(2, 1, 4, 4)], 1
        ),
        "detection_boxes_16": soft["detection_boxes_16"],
        "detection_scores_32": torch.randn(2, 2, 2, 2),
        "detection_boxes_32": torch.randn(2, 4, 2, 2),
    }
    assert distil(checkpoint, student, image, raw)["detection"].item() < 1e-6


@pytest.mark.parametrize(
    "task",
    [
        SegmentationTask(name="ground", classes=("road", "grass")),
        SegmentationTask(name="surface", classes=("road", "wall")),
        DetectionTask(classes=("car",), strides=(32,)),
        ClassificationTask(name="time", classes=("day", "night"), multi_label=True),
        ClassificationTask(name="time", classes=("day", "noon")),
    ],
    ids=lambda task: f"{task.name} {task.classes}",
)
def test_a_teacher_of_nothing_is_refused(checkpoint: Path, task: Task) -> None:
    config = DistillationConfig(teacher=str(checkpoint))
    with pytest.raises(UsageError, match="has no task and classes that 'tiny' has, found surface"):
        Distillation(config, spec_of(task), CPU)


def test_a_teacher_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="did you mean 'driving-s'"):
        Distillation(DistillationConfig(teacher="driving-x"), TEACHER, CPU)
    with pytest.raises(EdgeMtlError, match="no such checkpoint"):
        Distillation(DistillationConfig(teacher="none.safetensors"), TEACHER, CPU)


def test_a_teacher_sees_the_planes_as_it_was_trained_to(image: Tensor, tmp_path: Path) -> None:
    """A student whose depth is normalised otherwise has no loss if it says what the teacher says
    of the same depth."""
    task = SegmentationTask(name="surface", classes=("road", "grass", "sky"))
    depth = PlaneInput(name="depth", mean=0.5, std=0.25)
    theirs = msgspec.structs.replace(spec_of(task), planes=(depth,))
    torch.manual_seed(0)
    teacher = Network(theirs).eval()
    assert teacher.fusion is not None
    nn.init.normal_(teacher.fusion.stems["depth"][1].weight)
    for name, weights in teacher.heads.named_parameters():
        if name.endswith("weight"):
            nn.init.normal_(weights)
    path = tmp_path / "teacher.safetensors"
    save_checkpoint(path, theirs, teacher.state_dict())
    config = DistillationConfig(teacher=str(path), min_confidence=0.0)

    own = msgspec.structs.replace(theirs, planes=(PlaneInput(name="depth"),))
    plane = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        raw = teacher(image, {"depth": (plane - 0.5) / 0.25})
    batch = replace(batch_of(image, own), planes={"depth": plane})
    distillation = Distillation(config, own, CPU)
    assert distillation(raw, batch)["surface"] == pytest.approx(0.0, abs=1e-4)
    flat = replace(batch, planes={"depth": torch.zeros_like(plane)})
    assert distillation(raw, flat)["surface"] > 1e-3

    with pytest.raises(UsageError, match=r"takes the plane 'depth', which 'tiny' does not"):
        Distillation(config, spec_of(task), CPU)
