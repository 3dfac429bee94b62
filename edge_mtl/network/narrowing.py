"""Networks that are narrower than their spec says, because channels were pruned from them.

A spec knows a backbone by its name and not the width of each layer; the shapes of the weights do.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from edge_mtl.network.network import Network
from edge_mtl.spec import ModelSpec

_LEAST_SIDE = 32  # of a picture that every network takes


def narrow(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Give the convolutions and batch norms of a network the widths of weights, in place.

    The weights themselves are not taken over. A layer that `weights` do not name keeps its width,
    and so does one that would have to become wider or change its kernel.

    Raises:
        RuntimeError: the layers do not fit each other any more.
    """
    for name, module in network.named_modules():
        shape = _shape(weights, f"{name}.weight")
        if isinstance(module, nn.Conv2d) and shape[2:] == module.weight.shape[2:]:
            _narrow_convolution(module, shape)
        elif isinstance(module, nn.BatchNorm2d) and len(shape) == 1:
            _narrow_norm(module, shape[0])
    settle(network)


def settle(network: Network) -> None:
    """Bring what a network says of its widths in line with its layers.

    Raises:
        RuntimeError: the layers do not fit each other.
    """
    training = network.training
    with torch.no_grad():
        features = network.eval().features(*network.example(_LEAST_SIDE, _LEAST_SIDE))
        network.outputs(features)
    network.train(training)
    network.backbone.channels = tuple(each.shape[1] for each in features.backbone)


def is_narrow(spec: ModelSpec, weights: Mapping[str, Tensor]) -> bool:
    """Whether channels were pruned from a network of a spec, of whose kind the weights are."""
    with torch.random.fork_rng():  # the random weights of a network must not change what follows
        whole = Network(spec).state_dict()
    return any(
        name in weights and weights[name].numel() < value.numel() for name, value in whole.items()
    )


def network_from_weights(spec: ModelSpec, weights: Mapping[str, Tensor]) -> Network:
    """The network of a spec with these weights, as narrow as they are.

    Raises:
        RuntimeError: they are not of such a network.
    """
    network = Network(spec)
    narrow(network, weights)
    network.load_state_dict(weights)
    return network


def _shape(weights: Mapping[str, Tensor], name: str) -> torch.Size:
    return weights[name].shape if name in weights else torch.Size()


def _narrow_convolution(layer: nn.Conv2d, shape: torch.Size) -> None:
    outputs, inputs = shape[:2]
    if outputs > layer.weight.shape[0] or inputs > layer.weight.shape[1]:
        return
    if layer.groups > 1 and layer.groups == layer.out_channels:  # depthwise
        layer.groups = outputs
    layer.out_channels, layer.in_channels = outputs, inputs * layer.groups
    layer.weight = nn.Parameter(layer.weight.new_empty(shape))
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias.new_empty(outputs))


def _narrow_norm(layer: nn.BatchNorm2d, channels: int) -> None:
    if channels >= layer.num_features:
        return
    layer.num_features = channels
    for name in ("weight", "bias"):
        setattr(layer, name, nn.Parameter(getattr(layer, name).new_empty(channels)))
    for name in ("running_mean", "running_var"):
        setattr(layer, name, getattr(layer, name).new_empty(channels))
