from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning_fabric
import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from edge_mtl.spec import ModelSpec
from edge_mtl.train.batch import Batch
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.learner import Learner, make_learner
from edge_mtl.train.losses import Losses
from edge_mtl.train.step import Step, TrainingError

CPU = torch.device("cpu")


@pytest.fixture
def config(make_config: Callable[..., TrainConfig], spec: ModelSpec) -> TrainConfig:
    """Of segmentation alone, whose loss is divided by something that no output decides."""
    return make_config(model=msgspec.structs.replace(spec, tasks=spec.segmentations))


def batch_of(n: int, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(n, 3, 64, 64, generator=generator)
    masks = {"segmentation": torch.randint(3, (n, 64, 64), generator=generator)}
    return Batch(image, masks, [None] * n, [f"{seed}/{i}" for i in range(n)])


def part(batch: Batch, samples: slice) -> Batch:
    masks = {name: mask[samples] for name, mask in batch.masks.items()}
    return Batch(batch.image[samples], masks, batch.boxes[samples], batch.names[samples])


def start(config: TrainConfig, clip: float = 1e9) -> tuple[Learner, Step]:
    torch.manual_seed(0)
    learner = make_learner(config, CPU, fresh=True)
    learner.network.eval()  # a batch norm would see the parts of a batch apart
    losses = Losses(config.model, {"segmentation": np.full(3, 1 / 3)}, CPU, config.loss)
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    return learner, Step(fabric, learner, losses, clip)


def gradients(learner: Learner) -> Tensor:
    found = [each.grad for each in learner.parameters()]
    return torch.cat([each.flatten() for each in found if each is not None])


def test_accumulated_batches_have_the_gradient_of_one_large_batch(config: TrainConfig) -> None:
    batch = batch_of(4)
    whole, step = start(config)
    loss = step([batch]).totals
    parts, step = start(config)
    losses = step([part(batch, slice(2)), part(batch, slice(2, 4))]).totals
    assert sum(losses) / 2 == pytest.approx(loss[0], rel=1e-6)
    expected = gradients(whole)
    assert float((gradients(parts) - expected).norm() / expected.norm()) < 1e-5
    assert float(expected.norm()) > 1e-3


def test_a_step_starts_from_no_gradient(config: TrainConfig) -> None:
    learner, step = start(config)
    for group in learner.optimizer.param_groups:
        group["lr"] = 0.0
    step([batch_of(2)])
    once = gradients(learner)
    step([batch_of(2)])
    assert torch.equal(gradients(learner), once)


def test_a_long_gradient_is_cut_to_length(config: TrainConfig) -> None:
    learner, step = start(config, clip=1e-3)
    step([batch_of(2)])
    assert float(gradients(learner).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_losses_are_of_the_batches_that_have_labels(config: TrainConfig) -> None:
    labelled = batch_of(2)
    bare = Batch(
        labelled.image, {"segmentation": torch.full((2, 64, 64), 255)}, [None, None], ["a", "b"]
    )
    learner, step = start(config)
    result = step([labelled, bare])
    assert len(result.losses["segmentation"]) == 1
    assert result.totals == [*result.losses["segmentation"], 0.0]
    assert result.weights == {"segmentation": 1.0}
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    assert step([bare]).losses == {}
    after = learner.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_what_is_not_finite_stops_before_any_weight_changes(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    compute = Losses.__call__

    def spoil(self: Losses, raw: Any, batch: Batch, *args: Any) -> dict[str, Tensor]:
        found = compute(self, raw, batch, *args)
        if batch.names[0].startswith("7"):
            scale = torch.inf if broken == "loss" else 1.0
            found = {n: scale + (loss - loss.detach()).sqrt() for n, loss in found.items()}
        return found

    monkeypatch.setattr(Losses, "__call__", spoil)
    learner, step = start(config)
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    with pytest.raises(TrainingError, match=f"the {broken} is not finite") as caught:
        step([batch_of(1, seed=1), batch_of(2, seed=7)])
    assert "7/0, 7/1" in str(caught.value)
    assert ("1/0" in str(caught.value)) == (broken == "gradient")  # of which all batches are part
    after = learner.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
