from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from edge_mtl.data.sample import IGNORE
from edge_mtl.train.config import LossConfig
from edge_mtl.train.losses.segmentation import (
    class_weights,
    dice_loss,
    lovasz_loss,
    segmentation_loss,
)

PLAIN = LossConfig()


def certain(mask: Tensor, classes: int) -> Tensor:
    """Logits (N, C, H, W) that leave no doubt about a mask."""
    return 60.0 * torch.nn.functional.one_hot(mask, classes).movedim(-1, 1).float()


def test_class_weights_are_enets() -> None:
    weights = class_weights(np.array([1.0, 0.0]), 1.0)
    expected = np.array([1 / math.log(2.1), 1 / math.log(1.1)])
    assert weights.tolist() == pytest.approx((expected / expected.mean()).tolist(), rel=1e-6)
    assert weights.dtype == torch.float32
    assert float(weights[1] / weights[0]) < 8


def test_a_balance_between_none_and_all_is_a_power_of_the_weights() -> None:
    shares = np.array([0.7, 0.25, 0.05])
    assert class_weights(shares, 0.0).tolist() == [1.0, 1.0, 1.0]
    whole, half = class_weights(shares, 1.0), class_weights(shares, 0.5)
    torch.testing.assert_close((half / half[0]) ** 2, whole / whole[0])


def test_it_is_the_weighted_cross_entropy_of_labelled_pixels() -> None:
    logits = torch.tensor([2.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2)
    mask = torch.full((1, 8, 8), IGNORE)
    mask[0, :2], mask[0, 2:4] = 0, 1
    weights = torch.tensor([0.5, 1.5])
    right, wrong = math.log1p(math.exp(-2)), math.log1p(math.exp(2))
    loss = segmentation_loss(logits, mask, weights, PLAIN)
    assert float(loss) == pytest.approx((0.5 * right + 1.5 * wrong) / 2, rel=1e-5)


def test_a_binary_task_is_binary_cross_entropy() -> None:
    torch.manual_seed(0)
    logits = torch.randn(2, 1, 8, 8)
    mask = torch.randint(0, 2, (2, 8, 8))
    loss = segmentation_loss(logits, mask, torch.ones(2), PLAIN)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], mask.float())
    torch.testing.assert_close(loss, expected)


def test_smoothing_asks_for_less_than_certainty() -> None:
    mask = torch.zeros(1, 2, 2, dtype=torch.long)
    config = LossConfig(label_smoothing=0.2)
    right = torch.tensor([2.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 2, 2)
    loss = segmentation_loss(right, mask, torch.ones(2), config)
    expected = 0.9 * math.log1p(math.exp(-2)) + 0.1 * math.log1p(math.exp(2))
    assert float(loss) == pytest.approx(expected)


def test_samples_without_a_mask_change_nothing() -> None:
    torch.manual_seed(0)
    config = LossConfig(lovasz=1.0, dice=1.0)
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    mask = torch.randint(0, 3, (2, 16, 16))
    mask[1] = IGNORE
    loss = segmentation_loss(logits, mask, torch.ones(3), config)
    alone = segmentation_loss(logits[:1], mask[:1], torch.ones(3), config)
    assert float(loss.detach()) == pytest.approx(float(alone.detach()), rel=1e-6)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().max() > 0
    assert logits.grad[1].abs().max() == 0


def test_no_label_at_all_gives_a_constant_zero() -> None:
    logits = torch.zeros(2, 3, 4, 4, requires_grad=True)
    mask = torch.full((2, 16, 16), IGNORE)
    config = LossConfig(lovasz=1.0, dice=1.0, auxiliary=0.4)
    loss = segmentation_loss(logits, mask, torch.ones(3), config, logits[:, :, ::2, ::2])
    assert float(loss) == 0.0
    assert not loss.requires_grad


def test_the_auxiliary_head_learns_by_cross_entropy() -> None:
    torch.manual_seed(0)
    mask = torch.randint(0, 3, (1, 8, 8))
    logits, auxiliary = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 1, 1, requires_grad=True)
    config = LossConfig(lovasz=1.0, auxiliary=0.4)
    weights = torch.ones(3)
    both = segmentation_loss(logits, mask, weights, config, auxiliary)
    main = segmentation_loss(logits, mask, weights, config)
    alone = segmentation_loss(auxiliary, mask[:, 2::4, 2::4], weights, PLAIN)  # every fourth
    torch.testing.assert_close(both, main + 0.4 * alone)


@pytest.mark.parametrize("loss", [lovasz_loss, dice_loss])
def test_right_is_0_and_wrong_is_1(loss: object) -> None:
    assert callable(loss)
    mask = torch.tensor([[[0, 0, 1], [2, 2, 1]]])
    assert float(loss(certain(mask, 3), mask)) == pytest.approx(0.0, abs=1e-5)
    assert float(loss(certain((mask + 1) % 3, 3), mask)) == pytest.approx(1.0, abs=1e-5)


def test_of_certain_scores_lovasz_is_one_minus_iou() -> None:
    # The Lovasz extension meets the function that it extends wherever scores are 0 or 1.
    mask = torch.tensor([[[0, 0, 1, 1]]])
    for wrong in itertools.product([0, 1], repeat=4):
        found = (mask + torch.tensor(wrong)) % 2
        ious = [
            ((found == c) & (mask == c)).sum() / ((found == c) | (mask == c)).sum() for c in (0, 1)
        ]
        expected = 1 - sum(float(iou) for iou in ious) / 2
        assert float(lovasz_loss(certain(found, 2), mask)) == pytest.approx(expected, abs=1e-5)


def test_dice_by_hand() -> None:
    logits = torch.tensor([0.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 4)
    mask = torch.tensor([[[0, 0, 0, 1]]])
    # Scores are 1/2 everywhere: 2 * 3/2 / (4/4 + 3) and 2 * 1/2 / (4/4 + 1).
    assert float(dice_loss(logits, mask)) == pytest.approx(1 - (3 / 4 + 1 / 2) / 2)


@pytest.mark.parametrize("loss", [lovasz_loss, dice_loss])
def test_unlabelled_pixels_and_absent_classes_count_nowhere(loss: object) -> None:
    assert callable(loss)
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 2, 4, requires_grad=True)
    mask = torch.randint(0, 3, (1, 2, 4))
    mask[0, 0] = IGNORE
    value = loss(logits, mask)
    torch.testing.assert_close(value, loss(logits[:, :, 1:], mask[:, 1:]))
    value.backward()
    assert logits.grad is not None
    assert logits.grad[:, :, 0].abs().max() == 0
    assert logits.grad[:, :, 1].abs().max() > 0
