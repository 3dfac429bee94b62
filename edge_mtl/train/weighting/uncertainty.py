"""Weights by homoscedastic uncertainty (Kendall, Gal & Cipolla, 2018, arXiv:1705.07115)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edge_mtl.train.processes import mean_over_processes
from edge_mtl.train.weighting.weighting import Backward, participants


class Uncertainty:
    """Learns the noise of each task's labels: sum_i f_i (exp(-s_i) L_i + s_i).

    s_i = log sigma_i^2 is learned by the run's optimiser from 0 on, as section 3.2 of the paper
    does for numerical stability; f_i is the task's factor. With the paper's L_i, a squared error,
    this is twice its equation 7, so its optimum too: s_i = log L_i at a loss that stays, where the
    task has the weight f_i / L_i. For cross-entropies equation 10 has log sigma_i = s_i / 2 in
    place of s_i, which doubles their weights; losses of this house are of other kinds as well
    (IoU, focal), and one form for all leaves that choice to f_i.

    In several processes, s_i gets the mean of its gradients, as the network's parameters do; a
    process whose batch has no labels for the task counts as one with a gradient of zero.
    """

    def __init__(self, factors: Mapping[str, float]) -> None:
        self._factors = dict(factors)
        # One parameter a task: a task without labels then has no gradient, rather than a zero one
        # along which an optimiser with momentum would move on.
        self._log_variances = {name: nn.Parameter(torch.zeros(())) for name in factors}

    def parameters(self) -> list[nn.Parameter]:
        return list(self._log_variances.values())

    def backward(self, losses: Mapping[str, Tensor], backward: Backward) -> dict[str, float]:
        weights = {
            name: factor * math.exp(-self._log_variances[name].item())
            for name, factor in self._factors.items()
        }
        # Stand-ins catch the gradient of this batch alone, in the scale that `backward` gives it.
        stand_ins = {
            name: self._log_variances[name].detach().to(losses[name].device).requires_grad_()
            for name in participants(losses)
            if self._factors[name] > 0
        }
        terms = [
            self._factors[name] * (torch.exp(-s) * losses[name] + s)
            for name, s in stand_ins.items()
        ]
        if terms:
            backward(torch.stack(terms).sum())
        self._collect({name: s.grad for name, s in stand_ins.items()}, losses)
        return weights

    def _collect(
        self, gradients: Mapping[str, Tensor | None], losses: Mapping[str, Tensor]
    ) -> None:
        """Add the mean of all processes' gradients to those of the parameters."""
        found = next(iter(losses.values())).new_zeros(len(losses), 2)
        for row, name in zip(found, losses, strict=True):
            gradient = gradients.get(name)
            if gradient is not None:
                row[0], row[1] = gradient, 1  # the gradient, and that there is one
        means = mean_over_processes(found).tolist()
        for name, (value, part) in zip(losses, means, strict=True):
            if part > 0:
                s = self._log_variances[name]
                gradient = torch.full_like(s, value)
                s.grad = gradient if s.grad is None else s.grad + gradient

    def end_epoch(self, means: Mapping[str, float]) -> None:
        """Nothing changes: the optimiser has the parameters."""

    def state_dict(self) -> dict[str, Tensor]:
        return {"log_variances": torch.stack([s.detach() for s in self.parameters()])}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for s, value in zip(self.parameters(), state["log_variances"], strict=True):
            s.copy_(value)
