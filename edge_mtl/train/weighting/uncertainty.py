"""Weights by homoscedastic uncertainty (Kendall, Gal & Cipolla, 2018, arXiv:1705.07115)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edge_mtl.train.processes import mean_over_processes
from edge_mtl.train.weighting.weighting import Backward, mean_losses, participants


class Uncertainty:
    """Learns the noise of each task's labels: sum_i f_i (exp(-s_i) L_i + s_i).

    s_i = log sigma_i^2 is learned by the run's optimiser from 0 on, as section 3.2 of the paper
    does for numerical stability; f_i is the task's factor. With the paper's L_i, a squared error,
    this is twice its equation 7, so its optimum too: s_i = log L_i at a loss that stays, where the
    task has the weight f_i / L_i. For cross-entropies equation 10 lacks the half before L_i: twice
    the weight at the same sigma_i, but the same at the optimum, where sigma_i^2 is twice as large.
    Losses of this house are of other kinds as well (IoU, focal): one form serves all.

    In several processes, s_i gets the mean of its gradients, as the network's parameters do. A
    process whose batch has no labels for a task that takes part in another has an L_i of 0.
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
        here = participants(losses)
        # Stand-ins catch the gradient of this batch alone, in the scale that `backward` gives it.
        stand_ins = {
            name: self._log_variances[name].detach().to(losses[name].device).requires_grad_()
            for name in mean_losses(losses)
            if self._factors[name] > 0
        }
        terms = [
            self._factors[name] * (torch.exp(-s) * losses[name] + s if name in here else s)
            for name, s in stand_ins.items()
        ]
        if terms:
            backward(torch.stack(terms).sum())
            self._add_slopes(stand_ins)
        return weights

    def _add_slopes(self, stand_ins: Mapping[str, Tensor]) -> None:
        """Add the mean of all processes' gradients, who have the same stand-ins, to those of the
        parameters."""
        slopes = mean_over_processes(torch.stack([_gradient_of(s) for s in stand_ins.values()]))
        for name, slope in zip(stand_ins, slopes.cpu(), strict=True):
            s = self._log_variances[name]
            s.grad = slope.clone() if s.grad is None else s.grad + slope

    def end_epoch(self, means: Mapping[str, float]) -> None:
        """Nothing changes: the optimiser has the parameters."""

    def state_dict(self) -> dict[str, Tensor]:
        return {"log_variances": torch.stack([s.detach() for s in self.parameters()])}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for s, value in zip(self.parameters(), state["log_variances"], strict=True):
            s.copy_(value)


def _gradient_of(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad
