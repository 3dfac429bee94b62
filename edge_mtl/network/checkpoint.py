"""Checkpoints: a safetensors file of weights that carries its own `ModelSpec`. Never pickle."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec
import safetensors
import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from edge_mtl.config import first_difference
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.network.narrowing import narrow
from edge_mtl.network.network import Network
from edge_mtl.spec import ModelSpec

_PRUNED = "pruned"  # in the metadata: the weights are narrower than the layers of the spec
_MESSAGE_LENGTH = 200  # torch lists every tensor that does not fit


class CheckpointError(EdgeMtlError):
    """A checkpoint is missing, damaged, of another spec, or cannot be written."""


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file whole or not at all: a kill leaves the old one or the new one.

    Raises:
        CheckpointError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
        # Not save_file, whose files only their owner may read, whatever the umask.
        temporary.write_bytes(safetensors.torch.save(contiguous, metadata))
        temporary.replace(path)
    except OSError as error:
        raise CheckpointError(
            f"{path}: expected a file that can be written, found: {error.strerror}; choose "
            "another place, or make room there"
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: no such checkpoint; give a .safetensors file that `edge-mtl train` wrote"
        ) from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: expected a safetensors checkpoint, found a damaged or other file ({error}); "
            "copy it again, or give a .safetensors file that `edge-mtl train` wrote"
        ) from None


def save_checkpoint(
    path: Path, spec: ModelSpec, weights: dict[str, Tensor], *, pruned: bool = False
) -> None:
    """Write the weights of a `Network`, in the dtypes that they have, with its spec.

    pruned: they are narrower than the layers of the spec, on purpose; `load_checkpoint` then makes
        a network as narrow.

    Raises:
        CheckpointError: it cannot be written.
    """
    metadata = {"spec": msgspec.json.encode(spec).decode()}
    if pruned:
        metadata[_PRUNED] = "true"
    save_tensors(path, weights, metadata)


def load_checkpoint(path: Path, expected: ModelSpec | None = None) -> Network:
    """The network of a checkpoint, in evaluation mode.

    Weights may be stored in half precision; the network is float32.

    Raises:
        CheckpointError: it is missing or damaged, holds no spec or one that this version does not
            know, its spec is not `expected`, or its weights do not fit its spec.
    """
    weights, metadata = load_tensors(path)
    if "spec" not in metadata:
        raise CheckpointError(
            f"{path}: expected a checkpoint with a model spec, found weights without one; give a "
            ".safetensors file that `edge-mtl train` wrote"
        )
    try:
        spec = msgspec.json.decode(metadata["spec"], type=ModelSpec)
        network = Network(spec)
    except (msgspec.DecodeError, UsageError) as error:
        raise CheckpointError(
            f"{path}: its model spec is not one that this edge-mtl reads ({error}); train it "
            "again, or use the version that wrote it"
        ) from None
    difference = first_difference(expected, spec) if expected is not None else None
    if difference:
        raise CheckpointError(
            f"{path}: is of another spec: {difference}; give a checkpoint of this spec"
        )
    try:
        if _PRUNED in metadata:
            narrow(network, weights)
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: its weights do not fit its spec ({_shortened(error)}); copy it again or "
            "train it again"
        ) from None
    return network.eval()


def narrow_as(network: Network, path: Path) -> None:
    """Give a network the widths of a checkpoint, where that is of a pruned one; not its weights.

    Raises:
        CheckpointError: it is missing or damaged, or was pruned from another kind of network.
    """
    weights, metadata = load_tensors(path)
    if _PRUNED not in metadata:
        return
    if network.fusion is not None:
        weights = network.fusion.fitted(weights)
    try:
        narrow(network, weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: was pruned from another kind of network ({_shortened(error)}); start from "
            "it with the model that it was pruned from"
        ) from None


def _shortened(error: RuntimeError) -> str:
    return " ".join(str(error).split())[:_MESSAGE_LENGTH]
