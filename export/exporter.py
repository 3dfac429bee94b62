"""From a checkpoint to a measured bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import onnx

from edge_mtl.bundle import NETWORK, Bundle, Calibration
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.evaluation.accuracy import Accuracy, evaluate
from edge_mtl.export.edges import edge_tensors, strip_edges
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.export.quantize import check_calibration, quantize
from edge_mtl.export.schemes import scheme
from edge_mtl.export.tensorrt_builder import build_engine, check_builder
from edge_mtl.network.network import Network
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import ModelSpec

Precision = Literal["fp32", "int8"]
Report = Callable[[str, int, int], None]
"""Called with a stage, and how much of it is done out of how much."""
_FLOAT, _EXPORTED = "float", "exported"


@dataclass(frozen=True, slots=True)
class Export:
    """A bundle that is not yet saved, and its accuracy beside that of the float network."""

    bundle: Bundle
    before: Accuracy
    after: Accuracy


def export(
    network: Network,
    path: Path,
    target: str,
    precision: Precision,
    calibration: Dataset,
    held_out: Dataset,
    compute_capability: str | None = None,
    report: Report | None = None,
) -> Export:
    """Make the bundle of a network for a target, and measure it before and after.

    Args:
        network: in evaluation mode.
        path: where the bundle is to be saved.
        target: one of `schemes.SCHEMES`.
        precision: "fp32" or "int8".
        calibration: the frames that set the ranges of the 8-bit activations.
        held_out: labelled frames on which the float network and the exported one are measured,
            both by ONNX Runtime.
        compute_capability: the GPU of a target that builds an engine, such as "8.6"; None for
            what its builder aims at by itself.
        report: called as the work goes on.

    Raises:
        UsageError: there is no such target, it cannot build for the compute capability, or there
            are too few frames to calibrate with.
        ExportError: the ONNX graph differs from the network.
        BuildError: TensorRT is missing or refuses the graph.
    """
    tell = report or (lambda stage, done, total: None)
    chosen = scheme(target)
    # What can be refused at once is refused before minutes of work.
    if chosen.builds:
        check_builder(chosen.builds, compute_capability)
    elif compute_capability is not None:
        raise UsageError(
            f"target {target!r} builds no engine, so it takes no compute capability; leave it out"
        )
    if precision == "int8":
        check_calibration(calibration)

    tell("ONNX", 0, 1)
    floating = onnx_from_network(network)
    tell("ONNX", 1, 1)
    as_float = _bundle(path, network.spec, target, "fp32", floating)
    before = after = _measure(as_float, held_out, _FLOAT, tell)
    final, how = floating, None
    if precision == "int8":
        final = quantize(floating, network.spec, chosen, calibration, partial(tell, "calibrate"))
        how = Calibration(data=calibration.name, frames=len(calibration), method="min-max")
        if chosen.edges:
            strip_edges(final)
        as_int8 = _bundle(path, network.spec, target, "int8", final)
        after = _measure(as_int8, held_out, _EXPORTED, tell)
    engines = {}
    if chosen.builds:
        tell("engine", 0, 1)
        built_for = f".sm{compute_capability.replace('.', '')}" if compute_capability else ""
        engines[f"network{built_for}.engine"] = build_engine(
            final.SerializeToString(), chosen.builds, compute_capability
        )
        tell("engine", 1, 1)
    bundle = _bundle(
        path,
        network.spec,
        target,
        precision,
        final,
        engines,
        calibration=how,
        accuracy={_FLOAT: before.to_json(), _EXPORTED: after.to_json()},
        accuracy_data=held_out.name,
    )
    return Export(bundle, before, after)


def _bundle(
    path: Path,
    spec: ModelSpec,
    target: str,
    precision: Precision,
    model: onnx.ModelProto,
    engines: Mapping[str, bytes] | None = None,
    **facts: Any,
) -> Bundle:
    """The bundle of a graph; `facts` are the fields of its `Manifest` that say how it was made."""
    return Bundle.create(
        path,
        {NETWORK: model.SerializeToString(), **(engines or {})},
        spec=spec,
        target=target,
        precision=precision,
        **edge_tensors(model, spec)._asdict(),
        **facts,
    )


def _measure(bundle: Bundle, held_out: Dataset, name: str, tell: Report) -> Accuracy:
    engine = open_engine("onnxruntime", bundle)
    try:
        return evaluate(bundle.spec, engine, held_out, partial(tell, f"measure {name}"))
    finally:
        engine.close()
