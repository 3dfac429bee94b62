"""From a checkpoint, or a float graph, to a bundle that passed the accuracy gate."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import onnx
import torch

from edge_mtl.bundle import Bundle, Calibration
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.export.calibration import MIN_MAX, CalibrationSettings, check_calibration
from edge_mtl.export.decision import decide
from edge_mtl.export.deployment import Deployment, bundle_of
from edge_mtl.export.edges import strip_edges
from edge_mtl.export.engine_plan import EngineWishes, plan_engine
from edge_mtl.export.gate import TOLERANCES, Tolerances
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.export.half_rounding import rounded_to_half
from edge_mtl.export.hashed_data import HashedData
from edge_mtl.export.layers import name_nodes
from edge_mtl.export.lighter import lighter_specs
from edge_mtl.export.precision import Precision, PrecisionSearch, Report
from edge_mtl.export.range_cache import cached_ranges
from edge_mtl.export.report import ExportReport
from edge_mtl.export.schemes import Scheme, scheme
from edge_mtl.export.stand_ins import lighten
from edge_mtl.export.tensorrt_builder import EngineRequest
from edge_mtl.export.yardstick import Measured, Yardstick
from edge_mtl.machine import gpus
from edge_mtl.network.network import Network
from edge_mtl.provenance import Provenance
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import Degrade, ModelSpec

_log = logging.getLogger(__name__)

_ENGINES: Mapping[str, tuple[str, ...]] = {
    "cpu": ("onnxruntime", "openvino"),
    "openvino": ("openvino",),
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt-rtx",),
}
"""By target, the engines that may run its bundles on this machine."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How a network is exported.

    target: one of `schemes.SCHEMES`.
    precision: "int8" for 8 bits wherever tasks bear it and the machine gains by it; "fp16", for
        targets that build an engine; "fp32".
    calibration: how the ranges of 8-bit activations are chosen.
    tolerances: what each task may lose, as `gate.with_tolerances` makes them.
    elsewhere: the bundle will run on another machine, whose latencies this one does not tell.
    engine: what is asked of the engine of a target that builds one.
    degrade: what stands in past a deadline; None for what the network's spec says.
    """

    target: str = "cpu"
    precision: Precision = "int8"
    calibration: CalibrationSettings = MIN_MAX
    tolerances: Tolerances = field(default_factory=lambda: TOLERANCES)
    elsewhere: bool = False
    engine: EngineWishes = field(default_factory=EngineWishes)
    degrade: Degrade | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """A bundle that is not yet saved, its accuracy beside that of the float network, and how its
    precision was found."""

    bundle: Bundle
    before: Measured
    after: Measured
    report: ExportReport


def export(
    network: Network,
    path: Path,
    settings: ExportSettings,
    calibration: Dataset,
    held_out: Dataset,
    tell: Report | None = None,
    sources: Mapping[str, Path] | None = None,
) -> Export:
    """Make the bundle of a trained network; see `export_graph`, whose errors it raises too.

    network: in evaluation mode.
    sources: by what they are, the files that the network is from; the manifest tells their hashes.

    Raises:
        ExportError: the ONNX graph differs from the network.
    """
    tell = tell or _silent
    _check(path, settings, calibration)
    tell("ONNX", 0, 1)
    floating = onnx_from_network(network)
    tell("ONNX", 1, 1)
    files = {name: _sha256(file.read_bytes()) for name, file in (sources or {}).items()}
    inputs = {**files, "weights": weights_sha256(network)}
    return export_graph(
        floating, network.spec, path, settings, calibration, held_out, tell, inputs=inputs
    )


def export_graph(
    floating: onnx.ModelProto,
    spec: ModelSpec,
    path: Path,
    settings: ExportSettings,
    calibration: Dataset,
    held_out: Dataset,
    tell: Report | None = None,
    nodes: Collection[str] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> Export:
    """Make the bundle of a float graph for a target, in the fastest precision in which no task
    loses more than it may.

    Every task is measured in ONNX Runtime on the same frames as the float network: by labels where
    there are some, else by agreement with the float network. What fails in 8 bits is tried with
    the layers that suffer most left in float, then in the best float format of the target.

    Args:
        floating: an ONNX graph whose inputs and outputs carry the names and shapes of the spec. Its
            nodes get names where they have none.
        path: where the bundle is to be saved.
        calibration: the frames that set the ranges of the 8-bit activations.
        held_out: frames on which all are measured, with labels or without.
        tell: called as the work goes on.
        nodes: the names of the nodes that may be quantised; None for all that the scheme takes.
        inputs: by what they are, the SHA-256 of what the graph is from, for the manifest.

    Raises:
        UsageError: there is no such target, it cannot build for the compute capability, or there
            are too few frames to calibrate with, or the network cannot degrade as it is to.
        GateError: no precision of the target is accurate enough.
        BuildError: TensorRT is missing or refuses the graph.
    """
    tell = tell or _silent
    chosen, request = _check(path, settings, calibration)
    name_nodes(floating)
    spec = msgspec.structs.replace(spec, degrade=settings.degrade or spec.degrade)
    lighter = lighter_specs(floating, spec)
    calibrated, measured = HashedData(calibration), HashedData(held_out)
    as_float = bundle_of(path, spec, settings.target, "fp32", floating)
    engine = open_engine("onnxruntime", as_float)
    try:
        yardstick = Yardstick(spec, engine, measured, partial(tell, "measure float"))
    finally:
        engine.close()
    ranges, how = {}, None
    if settings.precision == "int8":
        ranges = cached_ranges(
            floating, spec, chosen, calibrated, settings.calibration, partial(tell, "calibrate")
        )
        how = Calibration(
            data=calibration.name, frames=len(calibration), method=str(settings.calibration)
        )
    package = partial(_package, path, settings.target, chosen)
    search = PrecisionSearch(
        floating,
        chosen,
        ranges,
        nodes,
        partial(package, spec),
        yardstick,
        settings.tolerances,
        calibrated,
        tell,
    )
    deployed = Deployment(path, settings.target, request, tell)
    engines = _engines_here(settings, request)
    kept, report = decide(
        search, settings.precision, chosen.builds is not None, engines, deployed, tell
    )
    stand_ins = lighten(kept, lighter, package, yardstick, engines, deployed, tell)
    report = msgspec.structs.replace(report, lighter=stand_ins.report)
    before, after = yardstick.before, kept.measured
    made_from = {
        **(inputs or {}),
        "held-out data": measured.sha256(),
        "settings": _sha256(msgspec.json.encode(settings, order="sorted")),
    }
    if how is not None:
        made_from["calibration data"] = calibrated.sha256()
    if kept.precision == "int8":
        _warn_of_flattery(calibrated, measured)
    bundle = deployed(
        kept,
        stand_ins.files,
        calibration=how if kept.precision == "int8" else None,
        accuracy={"float": before.labels.to_json(), "exported": after.labels.to_json()},
        accuracy_data=held_out.name,
        report=report.to_json(times=False),
        provenance=Provenance.here(made_from),
        lighter=tuple(stand_ins.files),
    )
    return Export(bundle, before, after, report)


def _warn_of_flattery(calibrated: HashedData, measured: HashedData) -> None:
    """The ranges fit the frames that set them: on these 8 bits lose less than on others."""
    if common := measured.in_common(calibrated):
        _log.warning(
            "%d frames of %s judge the accuracy and have set the ranges of its 8 bits too, so that "
            "less seems lost than on others; measure other frames (--data)",
            common,
            measured.name,
        )


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _check(
    path: Path, settings: ExportSettings, calibration: Dataset
) -> tuple[Scheme, EngineRequest | None]:
    """The target's scheme and the engine that is built here. What can be refused at once is refused
    before minutes of work."""
    chosen = scheme(settings.target)
    request = plan_engine(path, settings.target, settings.precision, settings.engine)
    if settings.precision == "fp16" and not chosen.builds:
        raise UsageError(
            f"target {settings.target!r} computes in float32 or in 8 bits, found --precision fp16; "
            "choose fp32 or int8"
        )
    if settings.degrade is not None and settings.target == "triton":
        raise UsageError("Triton serves the full network and does not degrade; leave --degrade out")
    if settings.precision == "int8":
        check_calibration(calibration)
    return chosen, request


def _engines_here(settings: ExportSettings, request: EngineRequest | None) -> tuple[str, ...]:
    """The engines that run the bundle on this machine; none where it is for another one."""
    if settings.elsewhere:
        return ()
    if scheme(settings.target).builds is not None:
        here = [".".join(map(str, gpu.compute_capability)) for gpu in gpus()[:1]]
        if request is None or not here:
            return ()
        if request.compute_capabilities and here[0] not in request.compute_capabilities:
            return ()
    return _ENGINES.get(settings.target, ())


def _package(
    path: Path,
    target: str,
    chosen: Scheme,
    spec: ModelSpec,
    model: onnx.ModelProto,
    precision: Precision,
) -> tuple[onnx.ModelProto, Bundle]:
    """The graph as it goes into the bundle, and a bundle that computes as the target will: what a
    builder of engines turns into float16 is measured so."""
    if precision == "int8" and chosen.edges:
        strip_edges(model)
    computed = rounded_to_half(model) if chosen.builds and precision != "fp32" else model
    return model, bundle_of(path, spec, target, precision, computed)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def weights_sha256(network: Network) -> str:
    """The hash of a network's spec and of its parameters and statistics, whatever file they are
    from."""
    found = hashlib.sha256(msgspec.json.encode(network.spec, order="sorted"))
    for name, tensor in sorted(network.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
