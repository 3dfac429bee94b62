from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest

from edge_mtl.data.datasets import Dataset
from edge_mtl.export.calibration import calibrate
from edge_mtl.export.layers import layers
from edge_mtl.export.schemes import scheme
from edge_mtl.export.sensitivity import sensitivity
from edge_mtl.network.network import Network

only_edgenet = pytest.mark.parametrize("backbone", ["edgenet-n"])


@only_edgenet
def test_the_error_of_each_layer_is_that_of_the_tasks_that_depend_on_it(
    network: Network, graph: onnx.ModelProto, streets: Callable[[int], Dataset]
) -> None:
    cpu, frames = scheme("cpu"), streets(4)
    ranges = calibrate(graph, network.spec, cpu, frames)
    found = layers(graph, cpu)
    of_boxes = next(layer for layer in found if "surface" not in layer.outputs)
    chosen = [found[0], of_boxes, found[-1]]
    steps: list[tuple[int, int]] = []
    errors = sensitivity(
        graph,
        network.spec,
        cpu,
        ranges,
        chosen,
        ["surface"],
        frames,
        lambda done, total: steps.append((done, total)),
    )
    relevant = [layer.name for layer in chosen if "surface" in layer.outputs]
    assert list(errors) == relevant == [found[0].name, found[-1].name]
    assert steps == [(i + 1, len(relevant)) for i in range(len(relevant))]
    for error in errors.values():
        assert error.keys() == {"surface"}
        assert 0.0 < error["surface"] < 1.0
