from __future__ import annotations

from collections.abc import Callable

import msgspec

from edge_mtl.compression.cost import Cost
from edge_mtl.network.network import Network
from edge_mtl.spec import InputSpec, ModelSpec


def test_counted_by_hand(
    make_network: Callable[[ModelSpec], Network], fusionnet: ModelSpec
) -> None:
    """Convolutions 3-64-128-256-64 of 3x3 and one 64-1 of 1x1, at every pixel of 64x32."""
    kernels = [3 * 64 * 9, 64 * 128 * 9, 128 * 256 * 9, 256 * 64 * 9, 64]
    biases = 64 + 128 + 256 + 64 + 1
    network = make_network(fusionnet)
    assert Cost.of(network) == Cost(sum(kernels) + biases, sum(kernels) * 64 * 32)
    assert not any(each._forward_hooks for each in network.modules())


def test_strides_and_groups_are_counted(
    make_network: Callable[[ModelSpec], Network], spec: ModelSpec
) -> None:
    lite = make_network(msgspec.structs.replace(spec, backbone="efficientnet-lite0"))
    larger = msgspec.structs.replace(lite.spec, input=InputSpec(width=128, height=64))
    small, large = Cost.of(lite), Cost.of(make_network(larger))
    assert large == Cost(small.parameters, 4 * small.macs)
    depthwise = lite.get_submodule("backbone.stages.0.0.layers.0.0")
    assert depthwise.weight.numel() == 32 * 9  # not 32 times as much
