"""Dynamic weight average (Liu, Johns & Davison, 2019, arXiv:1803.10704, section 4.1.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edge_mtl.train.weighting.weighting import Backward, backward_sum


class DynamicWeightAverage:
    """Gives more weight to the tasks whose loss falls more slowly, epoch by epoch.

    Equation 7: of K tasks, task k has the weight K exp(w_k / T) / sum_i exp(w_i / T) in an epoch,
    where w_k is the ratio of its mean losses in the last epoch and the one before; 1 in the first
    two epochs. The task's factor multiplies that; one of 0 leaves the task out of the K. A task
    that has no loss in an epoch keeps its w_k, and its next ratio is to the last epoch that it had
    one in.

    temperature: T. The paper uses 2 (section 4.1.4).
    """

    def __init__(self, factors: Mapping[str, float], temperature: float) -> None:
        self._factors = dict(factors)
        self._temperature = temperature
        self._last = dict.fromkeys(factors, math.nan)
        self._ratios = dict.fromkeys(factors, 1.0)

    def parameters(self) -> list[nn.Parameter]:
        return []

    def backward(self, losses: Mapping[str, Tensor], backward: Backward) -> dict[str, float]:
        weights = self._weights()
        backward_sum(losses, weights, backward)
        return weights

    def _weights(self) -> dict[str, float]:
        ratios = {name: each for name, each in self._ratios.items() if self._factors[name] > 0}
        # A softmax of the differences to the largest: a loss that explodes cannot overflow it.
        largest = max(ratios.values(), default=0.0)
        terms = {
            name: math.exp((ratio - largest) / self._temperature) for name, ratio in ratios.items()
        }
        scale = len(terms) / max(1.0, sum(terms.values()))  # the largest term is 1
        return {
            name: factor * scale * terms.get(name, 0.0) for name, factor in self._factors.items()
        }

    def end_epoch(self, means: Mapping[str, float]) -> None:
        for name, mean in means.items():
            if mean > 0:
                if not math.isnan(self._last[name]):
                    self._ratios[name] = mean / self._last[name]
                self._last[name] = mean

    def state_dict(self) -> dict[str, Tensor]:
        return {
            "last": torch.tensor(list(self._last.values()), dtype=torch.float64),
            "ratios": torch.tensor(list(self._ratios.values()), dtype=torch.float64),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._last = dict(zip(self._factors, state["last"].tolist(), strict=True))
        self._ratios = dict(zip(self._factors, state["ratios"].tolist(), strict=True))
