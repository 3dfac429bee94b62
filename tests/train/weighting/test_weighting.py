"""What holds for every method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from edge_mtl.train.weighting import METHODS, WeightingConfig

EVERY_METHOD = pytest.mark.parametrize("method", METHODS)


def backward(total: Tensor) -> None:
    total.backward()


def gradients(toy: Any) -> dict[str, Tensor]:
    """A copy of the gradients that there are."""
    return {
        name: each.grad.clone() for name, each in toy.named_parameters() if each.grad is not None
    }


def batch(step: int) -> Tensor:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(step))


class Run:
    """A training loop in miniature, with what it needs to stop and to go on."""

    def __init__(self, toy: Any, method: Any, factors: dict[str, float] | None = None) -> None:
        self.toy = toy
        self.weighting = toy.weighting(WeightingConfig(method=method), factors)
        groups = [{"params": list(toy.parameters())}]
        learned = self.weighting.parameters()
        if learned:
            groups.append({"params": learned, "weight_decay": 0.0})
        self.optimizer = torch.optim.AdamW(groups, lr=0.02)

    def epoch(self, steps: range) -> list[dict[str, float]]:
        """Train on batches of which every third does not label the task "small"."""
        weights, sums = [], dict.fromkeys(self.toy.scales, 0.0)
        for step in steps:
            losses = self.toy.losses(batch(step))
            if step % 3 == 2:
                losses["small"] = torch.zeros(())
            self.optimizer.zero_grad()
            weights.append(self.weighting.backward(losses, backward))
            self.optimizer.step()
            for name, loss in losses.items():
                sums[name] += loss.item()
        self.weighting.end_epoch(sums)
        return weights


@EVERY_METHOD
def test_the_gradients_are_those_of_the_weighted_sum(
    make_toy: Callable[[], Any], method: str
) -> None:
    run = Run(make_toy(), method, {"small": 0.5})
    run.epoch(range(7))
    losses = run.toy.losses(batch(7))
    run.optimizer.zero_grad()
    weights = run.weighting.backward(losses, backward)
    found = gradients(run.toy)
    assert list(weights) == ["small", "large"]

    run.optimizer.zero_grad()
    losses = run.toy.losses(batch(7))
    sum(weights[name] * loss for name, loss in losses.items()).backward()
    expected = gradients(run.toy)
    if method == "pcgrad":  # whose weights are those of shared parameters
        for name in expected:
            if name.startswith("heads.small"):
                expected[name] *= 0.5 / weights["small"]
            elif name.startswith("heads.large"):
                expected[name] *= 1.0 / weights["large"]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "method", sorted(METHODS.keys() - {"pcgrad"})
)  # that by hand, in its own file
def test_a_factor_multiplies_what_the_method_finds(
    make_toy: Callable[[], Any], method: str
) -> None:
    factors = {"small": 0.25, "large": 3.0}
    runs = [Run(make_toy(), method), Run(make_toy(), method, factors)]
    found = []
    for run in runs:
        run.weighting.backward(run.toy.losses(batch(0)), backward)
        run.weighting.end_epoch({"small": 2.0, "large": 5.0})
        found.append(run.weighting.backward(run.toy.losses(batch(1)), backward))
    for name, factor in factors.items():
        assert found[1][name] == pytest.approx(factor * found[0][name])


@EVERY_METHOD
def test_a_task_without_labels_changes_nothing_of_its_own(
    make_toy: Callable[[], Any], method: str
) -> None:
    run = Run(make_toy(), method)
    run.epoch(range(4))
    run.epoch(range(4, 8))
    run.optimizer.zero_grad()
    losses = run.toy.losses(batch(8)) | {"small": torch.zeros(())}
    state = run.weighting.state_dict()
    unlabelled = run.weighting.backward(losses, backward)
    assert not any(name.startswith("heads.small") for name in gradients(run.toy))
    assert gradients(run.toy)["trunk.weight"].abs().max() > 0
    run.optimizer.step()
    if method == "pcgrad":
        assert unlabelled == {"small": 1.0, "large": 1.0}
        torch.testing.assert_close(run.weighting.state_dict(), state)  # no order was drawn
    else:
        later = run.weighting.backward(run.toy.losses(batch(9)), backward)
        assert later["small"] == unlabelled["small"]


@EVERY_METHOD
def test_a_task_that_is_off_moves_nothing(make_toy: Callable[[], Any], method: str) -> None:
    """Neither its own parameters nor, however its loss grows, the weights of the others."""
    runs = [Run(make_toy(), method, {"large": 0.0}) for _ in range(2)]
    for run, growth in zip(runs, (1.0, 5.0), strict=True):
        for epoch in range(3):
            losses = run.toy.losses(batch(epoch))
            losses["large"] = losses["large"] * growth**epoch
            run.optimizer.zero_grad()
            run.weighting.backward(losses, backward)
            run.weighting.end_epoch({name: loss.item() for name, loss in losses.items()})
    assert not any(name.startswith("heads.large") for name in gradients(runs[0].toy))
    torch.testing.assert_close(*(gradients(run.toy) for run in runs), rtol=0, atol=0)


@EVERY_METHOD
def test_a_loss_of_exactly_zero_takes_no_part(make_toy: Callable[[], Any], method: str) -> None:
    runs = [Run(make_toy(), method) for _ in range(2)]
    for run, with_graph in zip(runs, (True, False), strict=True):
        run.epoch(range(2))
        run.optimizer.zero_grad()
        losses = run.toy.losses(batch(5))
        losses["small"] = losses["small"] * 0 if with_graph else torch.zeros(())
        run.weighting.backward(losses, backward)
    assert not any(name.startswith("heads.small") for name in gradients(runs[0].toy))
    torch.testing.assert_close(*(gradients(run.toy) for run in runs), rtol=0, atol=0)
    torch.testing.assert_close(*(run.weighting.state_dict() for run in runs), equal_nan=True)


@EVERY_METHOD
def test_a_batch_without_labels_calls_nothing(make_toy: Callable[[], Any], method: str) -> None:
    run = Run(make_toy(), method, {"large": 2.0})
    before = run.weighting.state_dict()

    def refuse(total: Tensor) -> None:
        pytest.fail("there is nothing to call backward on")

    weights = run.weighting.backward(dict.fromkeys(run.toy.scales, torch.zeros(())), refuse)
    assert weights == {"small": 1.0, "large": 2.0}
    torch.testing.assert_close(run.weighting.state_dict(), before, equal_nan=True)


@EVERY_METHOD
def test_batches_add_up_in_the_scale_of_the_caller(
    make_toy: Callable[[], Any], method: str
) -> None:
    run = Run(make_toy(), method)
    parameters = [*run.toy.parameters(), *run.weighting.parameters()]
    run.weighting.backward(run.toy.losses(batch(0)), backward)
    once = [each.grad.clone() for each in parameters]
    fresh = Run(make_toy(), method)
    for _ in range(2):
        state = {name: value.clone() for name, value in fresh.weighting.state_dict().items()}
        fresh.weighting.backward(fresh.toy.losses(batch(0)), lambda total: (total / 2).backward())
        fresh.weighting.load_state_dict(state)  # the same weights for the second half
    halves = [each.grad for each in (*fresh.toy.parameters(), *fresh.weighting.parameters())]
    torch.testing.assert_close(halves, once)


@EVERY_METHOD
def test_a_resumed_run_goes_on_bit_for_bit(make_toy: Callable[[], Any], method: str) -> None:
    run = Run(make_toy(), method)
    for epoch in range(3):
        run.epoch(range(5 * epoch, 5 * epoch + 5))
    stored = safetensors.torch.save(run.weighting.state_dict())
    network = {name: value.clone() for name, value in run.toy.state_dict().items()}
    optimizer = run.optimizer.state_dict()
    moments = {k: {n: v.clone() for n, v in each.items()} for k, each in optimizer["state"].items()}
    expected = run.epoch(range(15, 20)), run.epoch(range(20, 25))

    resumed = Run(make_toy(), method)
    resumed.toy.load_state_dict(network)
    resumed.optimizer.load_state_dict({**optimizer, "state": moments})
    resumed.weighting.load_state_dict(safetensors.torch.load(stored))
    assert (resumed.epoch(range(15, 20)), resumed.epoch(range(20, 25))) == expected
    for mine, theirs in zip(resumed.toy.parameters(), run.toy.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"fixed"}))  # which has no state
def test_the_state_of_other_tasks_is_refused(make_toy: Callable[[], Any], method: str) -> None:
    weighting = Run(make_toy(), method).weighting
    state = weighting.state_dict()
    with pytest.raises((KeyError, RuntimeError, ValueError)):
        weighting.load_state_dict({})
    with pytest.raises((KeyError, RuntimeError, ValueError)):
        weighting.load_state_dict({name: value[:1] for name, value in state.items()})


def test_frozen_parameters_are_left_out(make_toy: Callable[[], Any]) -> None:
    toy = make_toy()
    toy.trunk.weight.requires_grad_(False)
    for method in ("gradnorm", "pcgrad"):
        run = Run(toy, method)
        run.weighting.backward(toy.losses(batch(0)), backward)
    assert toy.trunk.weight.grad is None
    assert toy.trunk.bias.grad is not None
