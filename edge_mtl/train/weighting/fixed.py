"""Weights that a recipe gives, the same from the first step to the last."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from edge_mtl.train.weighting.weighting import Backward, backward_sum


class Fixed:
    """The sum of the losses, each times its factor."""

    def __init__(self, factors: Mapping[str, float]) -> None:
        self._factors = dict(factors)

    def parameters(self) -> list[nn.Parameter]:
        return []

    def backward(self, losses: Mapping[str, Tensor], backward: Backward) -> dict[str, float]:
        backward_sum(losses, self._factors, backward)
        return dict(self._factors)

    def end_epoch(self, means: Mapping[str, float]) -> None:
        """Nothing changes."""

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """There is no state."""
