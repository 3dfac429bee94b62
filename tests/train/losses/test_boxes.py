from __future__ import annotations

import pytest
import torch

from edge_mtl.network.heads.detection import DetectionHead
from edge_mtl.tasks import DetectionTask
from edge_mtl.train.losses.boxes import distribution_focal, mean_distances


def test_a_distance_is_the_mean_of_its_bins() -> None:
    likely = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    logits = torch.cat([likely, likely[:1]]).clamp_min(1e-9).log().reshape(1, 16)
    found = mean_distances(logits, 4)
    torch.testing.assert_close(found, torch.tensor([[0.5, 3.0, 0.0, 0.5]]), rtol=0, atol=1e-5)


def test_distances_without_bins_are_themselves_but_not_below_zero() -> None:
    values = torch.tensor([[-1.0, 0.0, 2.5, 9.0]])
    assert mean_distances(values, None).tolist() == [[0.0, 0.0, 2.5, 9.0]]


@pytest.mark.parametrize(
    ("distance", "shares"), [(1.25, {1: 0.75, 2: 0.25}), (3.0, {3: 1.0}), (7.5, {3: 1.0})]
)
def test_distribution_focal_is_least_for_the_two_bins_beside(
    distance: float, shares: dict[int, float]
) -> None:
    best = torch.full((4,), 1e-9)
    for place, share in shares.items():
        best[place] = share
    distances = torch.full((1, 4), distance)
    least = distribution_focal(best.log().repeat(1, 4), distances)
    entropy = -(best * best.log()).sum()
    torch.testing.assert_close(least, entropy.reshape(1), rtol=0, atol=1e-5)
    other = best.roll(1)
    assert distribution_focal(other.log().repeat(1, 4), distances) > least + 0.5


def test_bins_learn_a_distance() -> None:
    logits = torch.zeros(1, 4 * 8, requires_grad=True)
    wanted = torch.tensor([[0.3, 2.0, 4.6, 6.9]])
    optimizer = torch.optim.Adam([logits], lr=0.2)
    for _ in range(150):
        optimizer.zero_grad()
        distribution_focal(logits, wanted).sum().backward()
        optimizer.step()
    torch.testing.assert_close(mean_distances(logits, 8).detach(), wanted, rtol=0, atol=0.05)


def test_a_head_with_bins_starts_near_the_cell() -> None:
    head = DetectionHead(DetectionTask(classes=("car",), strides=(8,), bins=16), 8)
    bias = head.levels[0].boxes.bias
    assert mean_distances(bias[None], 16).tolist()[0] == pytest.approx([1.5] * 4, abs=0.01)
