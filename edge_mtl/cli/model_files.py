"""What MODEL names, opened: a bundle in an engine, or a checkpoint in torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge_mtl.errors import UsageError
from edge_mtl.signature import unsigned

if TYPE_CHECKING:
    from edge_mtl.bundle import Bundle
    from edge_mtl.network.network import Network
    from edge_mtl.reference import MaskSize
    from edge_mtl.runtime.degrading import DegradingPipeline
    from edge_mtl.runtime.pipeline import Pipeline

_TORCH = "torch"


def open_checkpoint(path: Path, engine: str, trusted: Path | None) -> Network:
    """The network of a checkpoint, for an engine that runs checkpoints.

    Raises:
        UsageError: `engine` does not, or a signature is asked for, which none has.
        EdgeMtlError: the checkpoint is missing or damaged.
    """
    if engine not in ("auto", _TORCH):
        raise UsageError(
            f"{engine} runs bundles, and {path} is a checkpoint, which torch runs; leave "
            "--engine out, or give a bundle that `edge-mtl export` made of it"
        )
    if trusted is not None:
        raise unsigned(path)
    from edge_mtl.network.checkpoint import load_checkpoint

    return load_checkpoint(path)


def open_model(model: str, engine: str, trusted: Path | None) -> Bundle | Network:
    """The bundle that MODEL names, or its checkpoint (`--engine torch` for one that ships).

    Raises:
        UsageError: the engine does not run such a file, or a checkpoint is to be trusted.
        EdgeMtlError: the file is missing, damaged or not signed as it is to be.
    """
    from edge_mtl import zoo
    from edge_mtl.bundle import Bundle

    path = zoo.locate(model, ".safetensors" if engine == _TORCH else ".emtl")
    if path.suffix == ".safetensors":
        return open_checkpoint(path, engine, trusted)
    if engine == _TORCH:
        raise UsageError(
            f"torch runs checkpoints (.safetensors), and {path} is none; leave --engine out, "
            "or give the checkpoint that the bundle was made of"
        )
    return Bundle.open(path, trusted)


def open_pipelines(
    opened: Bundle | Network,
    engine: str,
    threads: int | None,
    mask_size: MaskSize,
    count: int = 1,
    frames: int = 1,
) -> list[Pipeline]:
    """Pipelines for so many threads and frames at a time, of a bundle, by `Pipeline.open_several`.

    Of a checkpoint it is one, in torch: on a GPU that torch has, with the kernels there if PyCUDA
    is, else on the processor.

    Raises:
        EdgeMtlError: as of `Pipeline.open`.
    """
    from edge_mtl.bundle import Bundle
    from edge_mtl.runtime.pipeline import Pipeline

    if isinstance(opened, Bundle):
        return Pipeline.open_several(opened, count, engine, threads, mask_size, frames)
    from edge_mtl.network.gpu_engine import torch_engine

    running = torch_engine(opened, opened.spec, threads)
    return [Pipeline(opened.spec, running, mask_size=mask_size, threads=threads)]


def open_degrading_pipelines(
    opened: Bundle | Network,
    deadline_ms: float,
    engine: str,
    threads: int | None,
    mask_size: MaskSize,
    count: int = 1,
    frames: int = 1,
) -> list[DegradingPipeline]:
    """As `open_pipelines`, of those that turn to lighter networks past a deadline.

    Raises:
        UsageError: there are none.
        EdgeMtlError: as of `open_degrading`.
    """
    from edge_mtl.bundle import Bundle
    from edge_mtl.runtime.degrading import open_degrading

    if not isinstance(opened, Bundle):
        raise UsageError(
            "--late degrade needs a bundle with lighter networks, and a checkpoint has none; make "
            "one with `edge-mtl export CHECKPOINT -o BUNDLE --degrade half_resolution`"
        )
    return open_degrading(opened, count, deadline_ms, engine, threads, mask_size, frames)
