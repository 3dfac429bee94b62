"""PCGrad (Yu, Kumar, Gupta, Levine, Hausman & Finn, 2020, arXiv:2001.06782)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from edge_mtl.train.processes import mean_over_processes, process_count
from edge_mtl.train.weighting.weighting import (
    Backward,
    backward_sum,
    mean_losses,
    participants,
)


class PCGrad:
    """Takes out of each task's gradient what points against another task's.

    Section 2.3, algorithm 1: for each task i, and for every other task j in random order, where
    g_i g_j < 0, g_i becomes g_i - (g_i g_j) / |g_j|^2 g_j, with the untouched g_j; what they have
    become is summed. The vectors hold the parameters that at least two tasks of the batch reach
    (section 3: only the gradients of shared parameters change); a parameter that one task alone
    reaches gets that task's gradient. A task's factor multiplies its loss, which changes no
    projection.

    All that happens stays in the span of the gradients, so it is worked out on their products:
    the weight of a task is its share in the gradient of shared parameters.

    In several processes, the gradients of each task are averaged before they are projected: the
    result is that of one process with all batches in one, and the same in each. Batches that are
    accumulated for one step of the optimiser are projected one by one.

    parameters: all that are trained. Their gradients are held once a task.
    seed: of the random order, which has a generator of its own. The same in every process.
    """

    def __init__(
        self, factors: Mapping[str, float], parameters: Sequence[nn.Parameter], seed: int
    ) -> None:
        self._factors = dict(factors)
        self._parameters = list(parameters)
        self._generator = torch.Generator().manual_seed(seed)

    def parameters(self) -> list[nn.Parameter]:
        return []

    def backward(self, losses: Mapping[str, Tensor], backward: Backward) -> dict[str, float]:
        tasks = [name for name in mean_losses(losses) if self._factors[name] > 0]
        if len(tasks) < 2:
            backward_sum(losses, self._factors, backward)
            return dict(self._factors)
        gradients = self._gradients(losses, tasks)  # by parameter and task
        factors = [self._factors[name] for name in tasks]
        weights = self._shared_weights(gradients, factors)

        # `backward` may scale: it gets a sum that has these gradients, not they themselves.
        terms = []
        for parameter, column in zip(self._parameters, gradients, strict=True):
            scales = weights if _is_shared(column) else factors
            parts = [
                scale * gradient
                for scale, gradient in zip(scales, column, strict=True)
                if gradient is not None
            ]
            if parts:
                terms.append((parameter * torch.stack(parts).sum(0)).sum())
        backward(torch.stack(terms).sum())
        return self._factors | dict(zip(tasks, weights, strict=True))

    def _gradients(
        self, losses: Mapping[str, Tensor], tasks: Sequence[str]
    ) -> list[tuple[Tensor | None, ...]]:
        """By parameter and task, the mean of all processes; None where the task does not reach."""
        here = [name for name in participants(losses) if name in tasks]
        rows: list[Sequence[Tensor | None]] = []
        for name in tasks:
            row: Sequence[Tensor | None] = [None] * len(self._parameters)
            if name in here:
                # The tasks share a part of the graph.
                keep = name != here[-1]
                row = torch.autograd.grad(
                    losses[name], self._parameters, retain_graph=keep, allow_unused=True
                )
            rows.append(self._averaged(row))
        return list(zip(*rows, strict=True))

    def _averaged(self, row: Sequence[Tensor | None]) -> Sequence[Tensor | None]:
        if process_count() == 1:
            return row
        filled = [
            torch.zeros_like(parameter) if gradient is None else gradient
            for parameter, gradient in zip(self._parameters, row, strict=True)
        ]
        reached = filled[0].new_tensor([gradient is not None for gradient in row])
        vector = torch.cat([*(each.flatten() for each in filled), reached])
        lengths = [*(each.numel() for each in filled), len(row)]
        *parts, reached = torch.split(mean_over_processes(vector), lengths)
        return [
            part.view_as(parameter) if mark > 0 else None
            for part, parameter, mark in zip(parts, self._parameters, reached.tolist(), strict=True)
        ]

    def _shared_weights(
        self, gradients: Sequence[Sequence[Tensor | None]], factors: Sequence[float]
    ) -> list[float]:
        """By task, what its gradient is multiplied with in the sum of the projected ones."""
        count = len(factors)
        products = torch.zeros(count, count, dtype=torch.float64)
        for parameter, column in zip(self._parameters, gradients, strict=True):
            if _is_shared(column):
                filled = [torch.zeros_like(parameter) if g is None else g for g in column]
                rows = torch.stack(filled).flatten(1)
                products += (rows @ rows.T).cpu()
        orders = [
            [j for j in torch.randperm(count, generator=self._generator).tolist() if j != i]
            for i in range(count)
        ]
        share = project(products, orders)
        weights: list[float] = (share.new_tensor(factors) @ share).tolist()
        return weights

    def end_epoch(self, means: Mapping[str, float]) -> None:
        """Nothing changes."""

    def state_dict(self) -> dict[str, Tensor]:
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._generator.set_state(state["generator"])


def _is_shared(column: Sequence[Tensor | None]) -> bool:
    return sum(gradient is not None for gradient in column) > 1


def project(products: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """Algorithm 1 in the span of the gradients.

    products: (tasks, tasks) float64, of every two gradients.
    orders: by task, the other tasks in the order in which it is projected.
    Gives (tasks, tasks) float64: row i holds what the projected gradient of task i is made of.
    """
    share = torch.eye(len(products), dtype=products.dtype)
    for i, order in enumerate(orders):
        for j in order:
            along = share[i] @ products[:, j]
            if along < 0:
                share[i, j] -= along / products[j, j]
    return share
