"""What a run needs to go on as if it had never stopped: weights, average, optimiser, progress."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from torch import nn

from edge_mtl.config import first_difference
from edge_mtl.network.checkpoint import CheckpointError, load_tensors, save_tensors
from edge_mtl.train.average import WeightAverage
from edge_mtl.train.config import DataSource, TrainConfig


class Progress(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """epoch: epochs that are done. step: optimisation steps that are done. best: the best score of
    a validation so far."""

    epoch: int = 0
    step: int = 0
    best: float = -1.0


def save_state(
    path: Path,
    config: TrainConfig,
    progress: Progress,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
) -> None:
    """Write the state of a run at the end of an epoch, whole or not at all."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.weights.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    metadata = {
        "config": msgspec.json.encode(config).decode(),
        "progress": msgspec.json.encode(progress).decode(),
    }
    save_tensors(path, tensors, metadata)


def load_state(
    path: Path,
    config: TrainConfig,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage,
) -> Progress:
    """Bring a run back to where `save_state` left it.

    The data may lie elsewhere by now, and the number of workers may differ.

    Raises:
        CheckpointError: the file is missing or damaged, or its run had another configuration.
    """
    tensors, metadata = load_tensors(path)
    try:
        theirs = msgspec.json.decode(metadata["config"], type=TrainConfig)
        progress = msgspec.json.decode(metadata["progress"], type=Progress)
    except (KeyError, msgspec.DecodeError):
        raise CheckpointError(
            f"{path}: expected the state of a training run of this version of edge-mtl, found "
            "another safetensors file; remove it, or give the run another name"
        ) from None
    difference = first_difference(_essence(theirs), _essence(config))
    if difference:
        raise CheckpointError(
            f"{path}: its run had another configuration: {difference}; use the same one, or give "
            "the new run another name"
        )
    try:
        network.load_state_dict(_part(tensors, "network."))
        for name, value in average.weights.items():
            value.copy_(tensors[f"average.{name}"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in _part(tensors, "optimizer.").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
    except (KeyError, RuntimeError, ValueError) as error:
        problem = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: its tensors do not fit this network ({problem}); train again under another "
            "name, or with the version that wrote it"
        ) from None
    return progress


def _essence(config: TrainConfig) -> TrainConfig:
    """What decides the result: not the number of workers, nor where the data lie, nor how much of
    the validation data is measured."""

    def kind(source: DataSource) -> DataSource:
        return msgspec.structs.replace(source, data=source.data.partition(":")[0])

    data = msgspec.structs.replace(
        config.data,
        train=tuple(kind(source) for source in config.data.train),
        val=kind(config.data.val),
        val_limit=None,
        workers=0,
    )
    return msgspec.structs.replace(config, data=data)


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
