"""The engine of a bundle built again: for this machine, or for another TensorRT or GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from edge_mtl.bundle import NETWORK, Bundle
from edge_mtl.errors import UsageError
from edge_mtl.export.batch import Batch
from edge_mtl.export.build_progress import STEPS
from edge_mtl.export.engine_plan import EngineWishes, build_files, request_engine
from edge_mtl.export.schemes import scheme
from edge_mtl.export.tensorrt_builder import EngineRequest
from edge_mtl.machine import gpus


def rebuild(
    bundle: Bundle,
    output: Path,
    wishes: EngineWishes,
    tell: Callable[[str, int, int], None],
) -> Bundle:
    """A bundle of the same network, unsigned, with one engine in place of those that it had, its
    lighter networks too; it is not yet saved.

    Nothing is calibrated or measured again: the network is the one that passed the gate.

    Args:
        output: where it is to be saved.
        wishes: what they leave open is as in the bundle's first engine, and for the first GPU here.
        tell: called with a stage, and how much of it is done out of how much.

    Raises:
        UsageError: the bundle's target has no engines, or see `request_engine`.
        EdgeMtlError: TensorRT is missing or of another version than the device's, there is no GPU
            where it needs one, or it refuses the graph.
    """
    manifest = bundle.manifest
    if scheme(manifest.target).builds is None:
        raise UsageError(
            f"{bundle.path}: expected a bundle for tensorrt or tensorrt-rtx, found target "
            f"{manifest.target!r}, which runs {NETWORK} as it is; export its checkpoint again with "
            "--target"
        )
    for built in list(manifest.engines.values())[:1]:
        wishes = replace(wishes, batch=wishes.batch or Batch(*built.batch))
    if wishes.compute_capability is None and wishes.device is None and gpus():
        here = ".".join(map(str, gpus()[0].compute_capability))
        wishes = replace(wishes, compute_capability=here)
    request = request_engine(output, manifest.target, manifest.precision, wishes)
    lighter = {
        name: _built(each, output, request, tell, {}).packed()
        for name, each in zip(manifest.lighter, bundle.lighter(), strict=True)
    }
    return _built(bundle, output, request, tell, lighter)


def _built(
    bundle: Bundle,
    output: Path,
    request: EngineRequest,
    tell: Callable[[str, int, int], None],
    changed: Mapping[str, bytes],
) -> Bundle:
    """The bundle with an engine; changed: other files of it that are new."""
    tell("engine", 0, STEPS)
    files, entries = build_files(bundle.network, request, partial(tell, "engine"))
    tell("engine", STEPS, STEPS)
    old = bundle.manifest.engines
    kept = {name: data for name, data in bundle.files.items() if name not in old}
    return bundle.with_engines(output, {**kept, **changed, **files}, entries)
