"""Which engine a bundle gets, and the files that come of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

import msgspec

from edge_mtl.engine_file import EngineFile
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.export.batch import ONE_FRAME, Batch
from edge_mtl.export.devices import Device
from edge_mtl.export.schemes import scheme
from edge_mtl.export.tensorrt_builder import (
    BuildOptions,
    EngineRequest,
    Module,
    build_engine,
    check_builder,
)
from edge_mtl.machine import gpus

_GEFORCE = ("8.6", "8.9", "12.0")
"""RTX 30, 40 and 50: one engine for the three is not larger than for one; see docs/tensorrt.md."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineWishes:
    """What is asked of an engine; what is None is as the device or the builder has it.

    compute_capability: such as "8.6", or several with commas; None for that of the device, or for
        GeForce RTX 30, 40 and 50. `tensorrt` builds for the GPU that it finds.
    """

    compute_capability: str | None = None
    device: Device | None = None
    batch: Batch | None = None
    options: BuildOptions | None = None


class NotHereError(EdgeMtlError):
    """The engine can only be built on the device."""


def plan_engine(
    path: Path, target: str, precision: str, wishes: EngineWishes
) -> EngineRequest | None:
    """The engine that a bundle for a target gets here; None where `network.onnx` is all it needs,
    or where its engine is to be built on the device.

    Args and errors: see `request_engine`.
    """
    if scheme(target).builds is None:
        asked = {
            "compute capability": wishes.compute_capability,
            "batch": wishes.batch,
            "build option": wishes.options,
        }
        for name, value in asked.items():
            if value is not None:
                raise UsageError(
                    f"target {target!r} builds no engine, so it takes no {name}; leave it out"
                )
        return None
    try:
        return request_engine(path, target, precision, wishes)
    except NotHereError as error:
        _log.info("%s", error)
        return None


def request_engine(path: Path, target: str, precision: str, wishes: EngineWishes) -> EngineRequest:
    """The engine of a bundle for a target that has one.

    Args:
        path: of the bundle; the timing cache is kept beside it.
        precision: "fp32" for an engine that computes in nothing less, another for FP16 where it
            does not compute in INT8.

    Raises:
        NotHereError: only the device can build it.
        UsageError: something is asked that the target, the device or the builder does not have.
        BuildError: TensorRT-RTX is missing.
    """
    chosen = scheme(target)
    device, options = wishes.device, wishes.options or BuildOptions()
    if options.workspace_mb is None and device is not None:
        options = msgspec.structs.replace(options, workspace_mb=device.workspace_mb)
    if device is not None and options.dla_core is not None and not device.dla_cores:
        raise UsageError("the device has no deep-learning accelerator; leave dla_core out")
    capabilities = wishes.compute_capability or (device.compute_capability if device else "")
    wanted = tuple(each.strip() for each in capabilities.split(",") if each.strip())
    module = cast(Module, chosen.builds)
    if not chosen.ahead_of_time:
        missing = _missing_here(module, wanted, device)
        if missing:
            raise NotHereError(
                f"no engine is built here ({missing}): build it on the device, with "
                f"`edge-mtl export --rebuild {path}`"
            )
        wanted = ()  # it builds for the GPU that it finds
    elif not wanted:
        wanted = _GEFORCE
    request = EngineRequest(
        module=module,
        compute_capabilities=wanted,
        half=precision != "fp32",
        batch=wishes.batch or (device.batch if device else ONE_FRAME),
        options=options,
        timing_cache=path.with_name(f"{path.stem}.timing-cache"),
    )
    check_builder(request)
    return request


def build_files(
    network: bytes, request: EngineRequest, progress: Callable[[int, int], None] | None = None
) -> tuple[dict[str, bytes], dict[str, EngineFile]]:
    """The engine of a bundle and its entry in `Manifest.engines`, by the name of its file.

    Raises:
        EdgeMtlError: as of `build_engine`.
    """
    engine, entry = build_engine(network, request, progress)
    built_for = "".join(f".sm{each.replace('.', '')}" for each in entry.compute_capabilities)
    name = f"network{built_for}.engine"
    return {name: engine}, {name: entry}


def _missing_here(module: str, wanted: tuple[str, ...], device: Device | None) -> str:
    """What keeps this machine from building the engine, in a few words; empty if nothing."""
    try:
        version = str(import_module(module).__version__)
    except ImportError:
        return f"{module} is not installed"
    if device is not None and not device.takes_tensorrt(version):
        return f"{module} {version}, the device has {' to '.join(device.tensorrt)}"
    found = [".".join(map(str, gpu.compute_capability)) for gpu in gpus()]
    if not found:
        return "no GPU"
    if wanted and found[0] not in wanted:
        return f"a GPU of compute capability {found[0]}, wanted is {' or '.join(wanted)}"
    return ""
