"""GradNorm (Chen, Badrinarayanan, Lee & Rabinovich, 2018, arXiv:1711.02257)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from edge_mtl.train.processes import mean_over_processes
from edge_mtl.train.weighting.weighting import Backward, backward_sum, mean_losses, participants


class GradNorm:
    """Weights that pull the gradients of all tasks to norms that let them train at one rate.

    Section 3.1: G_i is the norm of the gradient of w_i L_i at the last shared parameters, G its
    mean over the tasks, r_i = (L_i(t) / L_i(0)) / mean_j (L_j(t) / L_j(0)). Section 3.2: the norm
    that is wanted is G r_i^alpha (equation 1), and L_grad = sum_i |G_i - G r_i^alpha| (equation 2)
    is lowered along w_i, the wanted norms taken as constants. Then the weights are scaled so that
    they sum to the number of tasks (algorithm 1). The task's factor multiplies its weight, but
    does not enter any norm. L_i(0) is the first loss of the task that was seen.

    Two things differ from the paper. The wanted norms are scaled to the mean G, which weights of
    a fixed sum can give; for alpha > 1 those of equation 1 have a larger one, and all tasks may
    come to fall short of theirs. And a step moves log w_i by `rate`, against the sign of the slope
    of L_grad: it does not depend on the scale of the losses, and no weight can cross zero, as a
    step along w_i makes it where scales differ by 100.

    A task that takes part in a batch in no process, or does not reach the last shared parameters,
    keeps its weight: the sum of the others is kept. In several processes, norms are those of the
    mean gradients and losses are means. Weights move
    with every batch, also among those that are accumulated for one step of the optimiser.

    last_shared: the parameters whose gradients are compared; at least one.
    alpha: how strongly training rates are pulled together; 0 makes the norms equal.
    rate: how far the logarithm of a weight moves in a batch, before they are scaled.
    """

    def __init__(
        self,
        factors: Mapping[str, float],
        last_shared: Sequence[nn.Parameter],
        alpha: float,
        rate: float,
    ) -> None:
        self._factors = dict(factors)
        self._last_shared = list(last_shared)
        self._alpha = alpha
        self._rate = rate
        self._weights = dict.fromkeys(factors, 1.0)
        self._first_losses = dict.fromkeys(factors, math.nan)

    def parameters(self) -> list[nn.Parameter]:
        return []

    def backward(self, losses: Mapping[str, Tensor], backward: Backward) -> dict[str, float]:
        weights = {name: factor * self._weights[name] for name, factor in self._factors.items()}
        norms = self._norms(losses)
        means = mean_losses(losses)
        backward_sum(losses, weights, backward)
        self._step(means, norms)
        return weights

    def _norms(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """By task, the norm at the last shared parameters of the gradient of the loss itself."""
        rows = []
        here = participants(losses)
        for name, loss in losses.items():
            gradients: Sequence[Tensor | None] = [None] * len(self._last_shared)
            if name in here:
                # The graph is needed again: the gradient of the sum follows.
                gradients = torch.autograd.grad(
                    loss, self._last_shared, retain_graph=True, allow_unused=True
                )
            filled = [
                torch.zeros_like(parameter) if gradient is None else gradient
                for parameter, gradient in zip(self._last_shared, gradients, strict=True)
            ]
            rows.append(torch.cat([each.flatten() for each in filled]))
        matrix = mean_over_processes(torch.stack(rows))
        return dict(zip(losses, matrix.norm(dim=1).tolist(), strict=True))

    def _step(self, means: Mapping[str, float], norms: Mapping[str, float]) -> None:
        for name, mean in means.items():
            if math.isnan(self._first_losses[name]):
                self._first_losses[name] = mean
        # Kept out: what no weight can balance.
        tasks = [name for name in means if norms[name] > 0 and self._factors[name] > 0]
        if len(tasks) < 2:
            return
        norm = {name: self._weights[name] * norms[name] for name in tasks}
        # r_i^alpha; its mean, which scales it, makes that of the loss ratios needless.
        pull = {name: (means[name] / self._first_losses[name]) ** self._alpha for name in tasks}
        scale = sum(norm.values()) / sum(pull.values())
        moved = {}
        for name in tasks:
            wanted = scale * pull[name]
            sign = (norm[name] > wanted) - (norm[name] < wanted)
            moved[name] = self._weights[name] * math.exp(-self._rate * sign)
        kept = sum(self._weights[name] for name in tasks) / sum(moved.values())
        self._weights |= {name: kept * weight for name, weight in moved.items()}

    def end_epoch(self, means: Mapping[str, float]) -> None:
        """Nothing changes: the weights move with every batch."""

    def state_dict(self) -> dict[str, Tensor]:
        return {
            "weights": torch.tensor(list(self._weights.values()), dtype=torch.float64),
            "first_losses": torch.tensor(list(self._first_losses.values()), dtype=torch.float64),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._weights = dict(zip(self._factors, state["weights"].tolist(), strict=True))
        self._first_losses = dict(zip(self._factors, state["first_losses"].tolist(), strict=True))
