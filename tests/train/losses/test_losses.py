from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from edge_mtl.data.sample import IGNORE
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask
from edge_mtl.train.batch import NO_CLASS, Batch
from edge_mtl.train.config import LossConfig
from edge_mtl.train.losses import Losses

SPEC = ModelSpec(
    name="all",
    input=InputSpec(width=64, height=32),
    backbone="edgenet-n",
    tasks=(
        PoseTask(keypoints=("nose",), strides=(8,)),
        ClassificationTask(name="time", classes=("day", "night")),
        SegmentationTask(name="segmentation", classes=("Sky", "Road", "Car")),
        DetectionTask(classes=("car", "pedestrian"), strides=(8,)),
    ),
)


def losses(config: LossConfig | None = None) -> Losses:
    shares = {"segmentation": np.array([0.5, 0.4, 0.1])}
    return Losses(SPEC, shares, torch.device("cpu"), config or LossConfig())


def raw_outputs(n: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        tensor.name: torch.randn(n, *tensor.shape[1:]).requires_grad_()
        for tensor in SPEC.output_tensors
    }


def test_what_nobody_labelled_gives_zero_for_every_task(batch: Callable[..., Batch]) -> None:
    labels = batch(
        2,
        masks={"segmentation": torch.full((2, 32, 64), IGNORE)},
        attributes={"time": torch.full((2,), NO_CLASS)},
    )
    found = losses()(raw_outputs(2), labels)
    assert list(found) == ["pose", "time", "segmentation", "detection"]  # the spec's order
    assert [float(loss) for loss in found.values()] == [0.0] * 4
    assert not any(loss.requires_grad for loss in found.values())


def test_each_task_teaches_its_own_outputs(batch: Callable[..., Batch], targets: Callable) -> None:
    person = targets((8, 0, 24, 30, 1), keypoints={"pose": torch.tensor([[[12.0, 4.0, 2.0]]])})
    labels = batch(
        1,
        masks={"segmentation": torch.zeros(1, 32, 64, dtype=torch.long)},
        boxes=[person],
        attributes={"time": torch.tensor([1])},
    )
    raw = raw_outputs(1)
    found = losses()(raw, labels)
    owners = {tensor.name: task.name for task in SPEC.tasks for tensor in task.tensors(64, 32)}
    for task, loss in found.items():
        gradients = torch.autograd.grad(
            loss, list(raw.values()), retain_graph=True, allow_unused=True
        )
        taught = {
            owners[name]
            for name, each in zip(raw, gradients, strict=True)
            if each is not None and each.abs().max() > 0
        }
        assert taught == {task}


def test_the_configuration_reaches_the_masks(batch: Callable[..., Batch]) -> None:
    labels = batch(
        1,
        masks={"segmentation": torch.randint(0, 3, (1, 32, 64))},
        attributes={"time": torch.tensor([1])},
    )
    raw = raw_outputs(1)
    plain = losses()(raw, labels)["segmentation"]
    with_lovasz = losses(LossConfig(lovasz=1.0))(raw, labels)["segmentation"]
    assert float(with_lovasz.detach()) > float(plain.detach())
