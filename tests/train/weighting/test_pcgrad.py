from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from edge_mtl.train.weighting.pcgrad import PCGrad, project

LEFT, RIGHT, DOWN = [1.0, 0.0], [-1.0, 1.0], [0.0, -2.0]


def backward(total: Tensor) -> None:
    total.backward()


def by_algorithm_1(vectors: list[Tensor], orders: list[list[int]]) -> list[Tensor]:
    """The projections as the paper writes them, on the vectors themselves."""
    projected = [vector.clone() for vector in vectors]
    for i, order in enumerate(orders):
        for j in order:
            along = projected[i] @ vectors[j]
            if along < 0:
                projected[i] = projected[i] - along / vectors[j].square().sum() * vectors[j]
    return projected


def linear_losses(x: Tensor, *vectors: list[float]) -> dict[str, Tensor]:
    """Losses whose gradients are the vectors."""
    return {str(k): 5 + x @ torch.tensor(vector) for k, vector in enumerate(vectors)}


def gradient_of(x: Tensor, factors: list[float], *vectors: list[float], seed: int = 0) -> Tensor:
    x.grad = None
    named = {str(k): factor for k, factor in enumerate(factors)}
    weights = PCGrad(named, [x], seed).backward(linear_losses(x, *vectors), backward)
    assert x.grad is not None
    made = sum(weights[str(k)] * torch.tensor(vector) for k, vector in enumerate(vectors))
    torch.testing.assert_close(x.grad, made)
    return x.grad


@pytest.fixture
def x() -> nn.Parameter:
    return nn.Parameter(torch.zeros(2))


def test_two_conflicting_gradients_by_hand(x: nn.Parameter) -> None:
    # LEFT without its part along RIGHT: (1, 0) + 1/2 (-1, 1); RIGHT without LEFT's: (0, 1).
    for vectors in ((LEFT, RIGHT), (RIGHT, LEFT)):
        found = gradient_of(x, [1.0, 1.0], *vectors)
        torch.testing.assert_close(found, torch.tensor([0.5, 1.5]))
    assert torch.tensor([0.5, 0.5]) @ torch.tensor(RIGHT) == 0
    assert torch.tensor([0.0, 1.0]) @ torch.tensor(LEFT) == 0


def test_a_factor_scales_a_task_before_and_after_it_is_projected(x: nn.Parameter) -> None:
    found = gradient_of(x, [4.0, 0.5], LEFT, RIGHT)
    torch.testing.assert_close(found, 4.0 * torch.tensor([0.5, 0.5]) + torch.tensor([0.0, 0.5]))


def test_a_task_that_is_off_projects_nothing(x: nn.Parameter) -> None:
    torch.testing.assert_close(gradient_of(x, [1.0, 0.0], LEFT, RIGHT), torch.tensor(LEFT))


@pytest.mark.parametrize("vectors", [([1.0, 2.0], [3.0, 0.5]), ([1.0, 0.0], [0.0, 4.0])])
def test_gradients_without_conflict_are_summed(
    x: nn.Parameter, vectors: tuple[list[float], ...]
) -> None:
    found = gradient_of(x, [1.0, 1.0], *vectors)
    assert torch.equal(found, torch.tensor(vectors).sum(0))


def test_three_tasks_in_either_order_are_projected_as_in_algorithm_1() -> None:
    vectors = [torch.tensor(each, dtype=torch.float64) for each in (LEFT, RIGHT, DOWN)]
    matrix = torch.stack(vectors)
    others = [[j for j in range(3) if j != i] for i in range(3)]
    results = set()
    for orders in itertools.product(*(map(list, itertools.permutations(each)) for each in others)):
        found = project(matrix @ matrix.T, orders) @ matrix
        expected = torch.stack(by_algorithm_1(vectors, list(orders)))
        torch.testing.assert_close(found, expected)
        for i, order in enumerate(orders):  # the last projection leaves no conflict with its task
            assert found[i] @ vectors[order[-1]] >= -1e-12
        results.add(tuple(round(value, 6) for value in found.sum(0).tolist()))
    # By hand: RIGHT first without LEFT's part is (0, 1), then without DOWN's nothing; the other
    # way round it is (-1, 0), then nothing too. DOWN without RIGHT's part is (-1, -1), then without
    # LEFT's (0, -1); LEFT is no conflict before, so the other way round it stays (-1, -1). LEFT
    # without RIGHT's is (1/2, 1/2), then without DOWN's (1/2, 0); the other way round (1/2, 1/2).
    assert results == {(0.5, -1.0), (0.5, -0.5), (-0.5, -1.0), (-0.5, -0.5)}


def test_the_seed_decides_the_order(x: nn.Parameter) -> None:
    def drawn(seed: int) -> list[tuple[float, ...]]:
        weighting = PCGrad(dict.fromkeys("012", 1.0), [x], seed)
        losses = (linear_losses(x, LEFT, RIGHT, DOWN) for _ in range(20))
        return [tuple(weighting.backward(each, backward).values()) for each in losses]

    torch.manual_seed(1)
    first = drawn(5)
    torch.manual_seed(2)  # the order has nothing to do with torch's own generator
    assert drawn(5) == first
    assert drawn(6) != first
    assert len(set(first)) > 1


def test_parameters_of_one_task_get_its_gradient_alone(x: nn.Parameter) -> None:
    own, unused = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    losses = linear_losses(x, LEFT, RIGHT)
    losses["0"] = losses["0"] + own @ torch.tensor([7.0, -3.0])
    PCGrad({"0": 2.0, "1": 1.0}, [x, own, unused], 0).backward(losses, backward)
    assert own.grad is not None
    torch.testing.assert_close(own.grad, torch.tensor([14.0, -6.0]))
    # Nor do they count in the projections of what is shared.
    assert x.grad is not None
    torch.testing.assert_close(x.grad, 2 * torch.tensor([0.5, 0.5]) + torch.tensor([0.0, 1.0]))
    assert unused.grad is None


def test_what_two_of_three_tasks_share_is_projected_for_those(x: nn.Parameter) -> None:
    branch = nn.Parameter(torch.zeros(1))
    losses = linear_losses(x, [1.0, 0.0], [1.0, 0.0], [0.0, 1.0])
    losses["0"] = losses["0"] + 2 * branch[0]
    losses["1"] = losses["1"] - branch[0]
    # (1, 0, 2) and (1, 0, -1) conflict, product -1: the first becomes (1, 0, 2) + 1/2 (1, 0, -1),
    # the second (1, 0, -1) + 1/5 (1, 0, 2); (0, 1, 0) conflicts with neither.
    PCGrad(dict.fromkeys("012", 1.0), [x, branch], 0).backward(losses, backward)
    assert x.grad is not None
    assert branch.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([2.7, 1.0]))
    torch.testing.assert_close(branch.grad, torch.tensor([0.9]))
