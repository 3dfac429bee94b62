from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edge_mtl.network.layers import Activation, ConvLayer, GlobalPool, conv_layer


def make_layer(activation: Activation, groups: int = 1, kernel: int = 3) -> ConvLayer:
    torch.manual_seed(0)
    layer = conv_layer(
        4, 8, kernel, stride=2, groups=groups, activation=activation, norm_eps=1e-3
    ).double()
    norm = layer[1]
    assert isinstance(norm, nn.BatchNorm2d)
    for values in (norm.weight, norm.running_var):
        assert values is not None
        nn.init.uniform_(values, 0.5, 2.0)
    for values in (norm.bias, norm.running_mean):
        assert values is not None
        nn.init.normal_(values)
    return layer


def gradients(layer: ConvLayer, image: Tensor) -> tuple[Tensor, list[Tensor]]:
    image = image.clone().requires_grad_()
    out = layer(image)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).reshape(out.shape)
    inputs = [image, *layer.parameters()]
    return out, list(torch.autograd.grad((out * weights).sum(), inputs))


@pytest.mark.parametrize(
    ("activation", "groups", "kernel"), [("relu", 1, 3), ("relu6", 4, 5), ("none", 1, 1)]
)
def test_a_frozen_norm_is_folded_without_a_difference(
    activation: Activation, groups: int, kernel: int
) -> None:
    """The output, and the gradients of the picture, the weights, gamma and beta."""
    layer = make_layer(activation, groups, kernel)
    image = torch.randn(3, 4, 9, 7, dtype=torch.float64)
    norm = layer[1]
    before = [value.clone() for value in norm.buffers()]
    seen: list[int] = []
    norm.register_forward_hook(lambda *_: seen.append(1))
    expected, expected_gradients = gradients(layer.eval(), image)
    assert seen == [1]
    layer.train()
    norm.eval()
    found, found_gradients = gradients(layer, image)
    assert seen == [1]  # the norm itself did not run
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found_gradients, expected_gradients)
    assert all(torch.equal(a, b) for a, b in zip(before, norm.buffers(), strict=True))


def test_a_norm_in_training_uses_the_batch() -> None:
    layer = make_layer("none").train()
    image = torch.randn(3, 4, 8, 8, dtype=torch.float64)
    norm = layer[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    before = norm.running_mean.clone()
    torch.testing.assert_close(layer(image).mean((0, 2, 3)), norm.bias.detach())
    assert not torch.equal(norm.running_mean, before)


def test_the_global_pool_is_the_mean() -> None:
    image = torch.randn(2, 3, 6, 10)
    torch.testing.assert_close(GlobalPool()(image), image.mean((2, 3), keepdim=True))
