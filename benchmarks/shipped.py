"""`driving-s`, the network that ships: in 8 bits, and the float network that it was made from."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from edge_mtl import zoo
from edge_mtl.bundle import NETWORK, Bundle

if TYPE_CHECKING:
    from edge_mtl.network.network import Network

NAME = "driving-s"


@cache
def int8() -> Bundle:
    """As it ships."""
    return Bundle.open(zoo.locate(NAME, ".emtl"))


@cache
def float_network() -> Network:
    """In torch."""
    from edge_mtl.network.checkpoint import load_checkpoint

    return load_checkpoint(zoo.locate(NAME, ".safetensors"))


@cache
def fp32() -> Bundle:
    """The float network as a bundle, which takes some ten seconds to export."""
    from edge_mtl.export.edges import edge_tensors
    from edge_mtl.export.graph import onnx_from_network

    graph, spec = onnx_from_network(float_network()), float_network().spec
    return Bundle.create(
        int8().path,
        {NETWORK: graph.SerializeToString()},
        spec=spec,
        target="cpu",
        precision="fp32",
        **edge_tensors(graph, spec)._asdict(),
    )
