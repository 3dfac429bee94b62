from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from edge_mtl.train.weighting.uncertainty import Uncertainty

SCALES = {"a": 1.0, "b": 1000.0}


def quadratic_losses(x: Tensor) -> dict[str, Tensor]:
    """Scales times (x - 1)^2."""
    return {name: scale * (x - 1).square() for name, scale in SCALES.items()}


def backward(total: Tensor) -> None:
    total.backward()


@pytest.mark.parametrize("factors", [{"a": 1.0, "b": 1.0}, {"a": 0.5, "b": 3.0}])
def test_at_losses_that_stay_the_log_variances_are_their_logarithms(
    factors: dict[str, float],
) -> None:
    weighting = Uncertainty(factors)
    optimizer = torch.optim.Rprop(weighting.parameters(), lr=0.1)
    x = torch.tensor(3.0, requires_grad=True)  # losses 4 and 4000
    for _ in range(100):
        optimizer.zero_grad()
        weights = weighting.backward(quadratic_losses(x), backward)
        optimizer.step()
    found = weighting.state_dict()["log_variances"]
    torch.testing.assert_close(
        found, torch.tensor([math.log(4), math.log(4000)]), rtol=0, atol=1e-3
    )
    assert weights == pytest.approx({"a": factors["a"] / 4, "b": factors["b"] / 4000}, rel=2e-3)


def test_the_gradients_of_a_batch_by_hand() -> None:
    weighting = Uncertainty({"a": 1.0, "b": 2.0})
    weighting.load_state_dict({"log_variances": torch.tensor([0.0, math.log(10.0)])})
    x = torch.tensor(3.0, requires_grad=True)
    weights = weighting.backward(quadratic_losses(x), backward)
    assert weights == pytest.approx({"a": 1.0, "b": 0.2})
    # d/dx: 1 * 4 + 0.2 * 4000; d/ds_i: f_i (1 - exp(-s_i) L_i)
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(4 + 800)
    slopes = [s.grad.item() for s in weighting.parameters() if s.grad is not None]
    assert slopes == pytest.approx([1 - 4, 2 * (1 - 400)])


def test_a_task_without_labels_has_no_gradient_that_momentum_would_follow() -> None:
    weighting = Uncertainty({"a": 1.0, "b": 1.0, "off": 0.0})
    x = torch.tensor(3.0, requires_grad=True)
    losses = quadratic_losses(x) | {"a": torch.tensor(0.0), "off": x * 1.0}
    weighting.backward(losses, backward)
    assert [s.grad is None for s in weighting.parameters()] == [True, False, True]
