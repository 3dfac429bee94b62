from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edge_mtl.train.weighting.gradnorm import GradNorm


def backward(total: Tensor) -> None:
    total.backward()


def two_losses(x: Tensor, left: float = 1.0, right: float = 1000.0) -> dict[str, Tensor]:
    """Quadratics around (1, 0) and (0, 1): at 0, gradients of norms 2 `left` and 2 `right`."""
    return {
        "a": left * (x - torch.tensor([1.0, 0.0])).square().sum(),
        "b": right * (x - torch.tensor([0.0, 1.0])).square().sum(),
    }


def start() -> nn.Parameter:
    return nn.Parameter(torch.zeros(2))


def test_alpha_zero_makes_the_norms_equal() -> None:
    x = start()
    weighting = GradNorm({"a": 1.0, "b": 1.0}, [x], alpha=0.0, rate=0.02)
    for _ in range(400):
        weights = weighting.backward(two_losses(x), backward)
        assert sum(weights.values()) == pytest.approx(2.0)
        assert min(weights.values()) > 0
    # w_a 2 = w_b 2000 and w_a + w_b = 2, to within a step to either side
    assert weights["a"] / weights["b"] == pytest.approx(1000, rel=0.05)


def test_one_step_by_hand() -> None:
    x = start()
    weighting = GradNorm({"a": 1.0, "b": 1.0, "c": 1.0}, [x], alpha=1.0, rate=0.1)
    # Norms 2, 6 and 4, whose mean is 4: "a" rises, "b" falls, "c" stays.
    losses = {**two_losses(x, 1.0, 3.0), "c": 2 * (x + torch.tensor([1.0, 0.0])).square().sum()}
    assert weighting.backward(losses, backward) == {"a": 1.0, "b": 1.0, "c": 1.0}
    moved = torch.tensor([0.1, -0.1, 0.0], dtype=torch.float64).exp()
    expected = 3 * moved / moved.sum()
    torch.testing.assert_close(weighting.state_dict()["weights"], expected)


def test_a_task_that_learns_more_slowly_is_given_more() -> None:
    """Equation 1 with losses at 1/2 and 1/8 of the first ones: r = 1.6 and 0.4."""
    x = start()
    weighting = GradNorm({"a": 1.0, "b": 1.0}, [x], alpha=1.5, rate=0.01)
    weighting.load_state_dict(
        {
            "weights": torch.ones(2, dtype=torch.float64),
            "first_losses": torch.tensor([2.0, 8.0], dtype=torch.float64),
        }
    )
    for _ in range(400):
        weights = weighting.backward(two_losses(x, 1.0, 1.0), backward)
    assert weights["a"] / weights["b"] == pytest.approx((1.6 / 0.4) ** 1.5, rel=0.025)


def test_what_takes_no_part_keeps_its_weight_and_the_sum_stays() -> None:
    x = start()
    weighting = GradNorm(dict.fromkeys("abcd", 1.0) | {"d": 0.0}, [x], alpha=0.0, rate=0.1)
    other = nn.Parameter(torch.ones(()))
    for _ in range(5):
        unlabelled = two_losses(x) | {"c": torch.tensor(0.0), "d": 5 * x.sum() + 1}
        weighting.backward(unlabelled, backward)
    weights = weighting.state_dict()["weights"]
    assert weights[2:].tolist() == [1.0, 1.0]
    assert weights[:2].sum().item() == pytest.approx(2.0)
    assert weights[0] > 1.4
    elsewhere = two_losses(x) | {"b": torch.tensor(0.0), "c": other.square(), "d": 0 * other}
    weighting.backward(elsewhere, backward)  # "c" does not reach x
    torch.testing.assert_close(weighting.state_dict()["weights"], weights, rtol=0, atol=0)


def test_the_first_loss_is_the_first_that_was_seen() -> None:
    x = start()
    weighting = GradNorm({"a": 1.0, "b": 1.0}, [x], alpha=1.0, rate=0.1)
    weighting.backward(two_losses(x) | {"b": torch.tensor(0.0)}, backward)
    first = weighting.state_dict()["first_losses"]
    assert first[0] == 1.0
    assert first[1].isnan()
    with torch.no_grad():
        x.fill_(0.5)
    weighting.backward(two_losses(x), backward)
    assert weighting.state_dict()["first_losses"].tolist() == [1.0, 500.0]
