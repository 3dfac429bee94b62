from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import torch
from torch import nn

from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, SegmentationTask
from edge_mtl.train import learner
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.learner import make_learner
from edge_mtl.train.weighting import WeightingConfig, make_weighting

MASK = SegmentationTask(name="mask", classes=("a", "b"))
TIME = ClassificationTask(name="time", classes=("day", "night"))
FEW = ClassificationTask(name="few", classes=("x", "y"))
FINE = SegmentationTask(name="fine", classes=("no", "yes"), stride=1, binary=True)


@pytest.mark.parametrize(
    ("backbone", "tasks", "where"),
    [
        ("edgenet-n", (MASK,), "neck"),
        ("edgenet-n", (MASK, TIME), "backbone.stages.3"),
        ("vgg11", (MASK, TIME), "backbone.stages"),
        ("multitask-cnn", (TIME, FEW), "backbone.stem"),
        ("fusionnet", (FINE,), "backbone.stages.1"),
    ],
)
def test_gradnorm_balances_what_every_task_reaches(
    make_config: Callable[..., TrainConfig],
    monkeypatch: pytest.MonkeyPatch,
    backbone: str,
    tasks: tuple[SegmentationTask | ClassificationTask, ...],
    where: str,
) -> None:
    """A classification reads the backbone alone: were the neck taken, it would keep its weight,
    however small those of the others become."""
    taken: list[nn.Parameter] = []

    def keep(*args: object, last_shared: list[nn.Parameter], **others: object) -> object:
        taken.extend(last_shared)
        return make_weighting(*args, last_shared=last_shared, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(learner, "make_weighting", keep)
    spec = ModelSpec(name="m", input=InputSpec(width=64, height=64), backbone=backbone, tasks=tasks)
    config = msgspec.structs.replace(
        make_config(), model=spec, weighting=WeightingConfig(method="gradnorm"), imagenet=False
    )
    network = make_learner(config, torch.device("cpu"), fresh=False).network
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert taken
    assert all(names[id(each)].startswith(where) for each in taken)
    outputs = network(torch.rand(2, 3, 64, 64))
    for task in tasks:
        # A random sum: the layers behind a batch norm would see no gradient of a plain one.
        loss = (outputs[task.name] * torch.randn_like(outputs[task.name])).sum()
        reached = torch.autograd.grad(loss, taken, retain_graph=True, allow_unused=True)
        assert any(each is not None and each.abs().max() > 0 for each in reached), task.name
