"""What a run needs to go on as if it had never stopped: all that learns, and its progress."""

from __future__ import annotations

from pathlib import Path

import msgspec
from torch import Tensor

from edge_mtl.config import first_difference
from edge_mtl.network.checkpoint import CheckpointError, load_tensors, save_tensors
from edge_mtl.train.config import DataSource, TrainConfig
from edge_mtl.train.learner import Learner


class Progress(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """epoch: epochs that are done. step: optimisation steps that are done. best: the best score of
    a validation so far."""

    epoch: int = 0
    step: int = 0
    best: float = -1.0


def tensors_from_learner(learner: Learner) -> dict[str, Tensor]:
    """Everything in it, by names that no two parts share; not copies."""
    parts = {
        "network": learner.network.state_dict(),
        "auxiliary": learner.auxiliary.state_dict() if learner.auxiliary else {},
        "quantization": learner.quantization.state_dict() if learner.quantization else {},
        "average": learner.average.weights,
        "weighting": learner.weighting.state_dict(),
        "optimizer": {
            f"{index}.{name}": value
            for index, values in learner.optimizer.state_dict()["state"].items()
            for name, value in values.items()
            if value is not None  # SGD's momentum before the first step
        },
    }
    return {f"{part}.{name}": value for part, held in parts.items() for name, value in held.items()}


def restore_learner(learner: Learner, tensors: dict[str, Tensor]) -> None:
    """Bring back what `tensors_from_learner` gave for one of the same configuration.

    Raises:
        KeyError, RuntimeError, ValueError: the tensors do not fit.
    """
    learner.network.load_state_dict(_part(tensors, "network."))
    if learner.auxiliary:
        learner.auxiliary.load_state_dict(_part(tensors, "auxiliary."))
    if learner.quantization:
        learner.quantization.load_state_dict(_part(tensors, "quantization."))
    for name, value in learner.average.weights.items():
        value.copy_(tensors[f"average.{name}"])
    learner.weighting.load_state_dict(_part(tensors, "weighting."))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        index, key = name.split(".", 1)
        moments.setdefault(int(index), {})[key] = value
    groups = learner.optimizer.state_dict()["param_groups"]
    learner.optimizer.load_state_dict({"state": moments, "param_groups": groups})


def save_state(path: Path, config: TrainConfig, progress: Progress, learner: Learner) -> None:
    """Write the state of a run at the end of an epoch, whole or not at all.

    Random numbers need no state: each epoch starts them anew from the seed.
    """
    metadata = {
        "config": msgspec.json.encode(config).decode(),
        "progress": msgspec.json.encode(progress).decode(),
    }
    save_tensors(path, tensors_from_learner(learner), metadata)


def load_state(path: Path, config: TrainConfig, learner: Learner) -> Progress:
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
        restore_learner(learner, tensors)
    except (KeyError, RuntimeError, ValueError) as error:
        problem = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: its tensors do not fit this network ({problem}); train again under another "
            "name, or with the version that wrote it"
        ) from None
    return progress


def _essence(config: TrainConfig) -> TrainConfig:
    """What decides the result: not the number of workers, nor where the data lie, nor how much of
    the validation data is measured, nor what is written beside the result."""

    def kind(source: DataSource) -> DataSource:
        return msgspec.structs.replace(source, data=source.data.partition(":")[0])

    data = msgspec.structs.replace(
        config.data,
        train=tuple(kind(source) for source in config.data.train),
        val=kind(config.data.val),
        val_limit=None,
        workers=0,
    )
    return msgspec.structs.replace(config, data=data, tensorboard=False)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
