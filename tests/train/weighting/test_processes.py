"""Two processes come to what one comes to that has the batches of both.

Threads stand for the processes, and meet where those would exchange tensors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.distributed
from torch import Tensor, nn

from edge_mtl.train.processes import average_gradients
from edge_mtl.train.weighting import METHODS, WeightingConfig, make_weighting

TASKS = ("small", "large", "third")
Result = dict[str, Tensor]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Linear(4, 6)
        self.heads = nn.ModuleDict({name: nn.Linear(6, 2) for name in TASKS})

    def losses(self, step: int, rank: int) -> Result:
        """Of the batch that a process sees in a step; from the fifth on, rank 1 has no "small"."""
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(2 * step + rank))
        features = torch.tanh(self.trunk(x))
        found = {
            name: (head(features) - (10.0 * k + 1) * torch.sin(x[:, :2] + 2 * k)).square().mean()
            for k, (name, head) in enumerate(self.heads.items())
        }
        if step >= 4 and rank == 1:
            found["small"] = torch.zeros(())
        return found


def train(net: Net, method: Any, ranks: list[int], steps: int) -> Result:
    """What a run ends with that sees the batches of `ranks` in each step, and its weights."""
    weighting = make_weighting(
        WeightingConfig(method=method),
        TASKS,
        {"large": 0.5},
        parameters=list(net.parameters()),
        last_shared=list(net.trunk.parameters()),
        seed=1,
    )
    trained = [*net.parameters(), *weighting.parameters()]
    weights = []
    for step in range(steps):
        parts = [net.losses(step, rank) for rank in ranks]
        means = {name: torch.stack([part[name] for part in parts]).mean() for name in TASKS}
        for parameter in trained:
            parameter.grad = None
        used = weighting.backward(means, lambda total: total.backward())
        average_gradients(list(net.parameters()))
        weights.append([used[name] for name in TASKS])
        with torch.no_grad():
            for parameter in trained:
                if parameter.grad is not None:
                    parameter -= 1e-3 * parameter.grad
        weighting.end_epoch({name: 1.0 + step + k for k, name in enumerate(TASKS)})
    return {**net.state_dict(), "weights": torch.tensor(weights, dtype=torch.float64)}


@pytest.fixture
def in_two(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], list[Result]]:
    """Train in two processes for so many steps."""

    def run(method: str, steps: int) -> list[Result]:
        barrier = threading.Barrier(2, timeout=30)
        given: dict[int, Tensor] = {}
        place = threading.local()

        def all_reduce(values: Tensor) -> None:
            given[place.rank] = values.clone()
            barrier.wait()
            total = given[0] + given[1]
            barrier.wait()
            values.copy_(total)

        def one(rank: int, net: Net) -> Result:
            place.rank = rank
            try:
                return train(net, method, [rank], steps)
            except BaseException:
                barrier.abort()
                raise

        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
        monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
        nets = [Net(), Net()]  # here: threads share torch's random numbers
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(one, range(2), nets))
        monkeypatch.undo()
        return results

    return run


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_are_as_one(in_two: Callable[[str, int], list[Result]], method: str) -> None:
    """Also in the last steps, where one of them has no labels for a task."""
    expected = train(Net(), method, [0, 1], 10)
    for found in in_two(method, 10):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", METHODS)
def test_processes_agree_where_one_of_them_lacks_labels(
    in_two: Callable[[str, int], list[Result]], method: str
) -> None:
    first, second = in_two(method, 8)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_the_methods_differ() -> None:
    """Else the tests above would compare nothing."""
    found = {str(train(Net(), method, [0, 1], 5)["weights"].tolist()) for method in METHODS}
    assert len(found) == len(METHODS)
