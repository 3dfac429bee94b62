"""How good the averaged weights are after an epoch."""

from __future__ import annotations

import torch
from rich.progress import Progress as Bar
from torch import Tensor

from edge_mtl.data.datasets import Dataset
from edge_mtl.evaluation.accuracy import Accuracy, evaluate
from edge_mtl.network.engine import TorchEngine
from edge_mtl.network.narrowing import network_from_weights
from edge_mtl.spec import ModelSpec


def validate(
    spec: ModelSpec,
    weights: dict[str, Tensor],
    device: torch.device,
    dataset: Dataset,
    bar: Bar,
) -> Accuracy:
    """Measure weights of a spec's network on a data set, on a device."""
    network = network_from_weights(spec, weights).to(device)
    row = bar.add_task("validate", total=len(dataset))

    def advance(done: int, _: int) -> None:
        bar.update(row, completed=done)

    try:
        return evaluate(spec, TorchEngine(network.eval(), spec), dataset, advance)
    finally:
        bar.remove_task(row)
