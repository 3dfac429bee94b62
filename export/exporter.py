"""From a checkpoint, or a float graph, to a bundle that passed the accuracy gate."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import onnx
import torch

from edge_mtl.bundle import NETWORK, Bundle, Calibration
from edge_mtl.data.datasets import Dataset
from edge_mtl.engine_file import EngineFile
from edge_mtl.errors import UsageError
from edge_mtl.export.build_progress import STEPS
from edge_mtl.export.calibration import MIN_MAX, CalibrationSettings, check_calibration
from edge_mtl.export.edges import edge_tensors, strip_edges
from edge_mtl.export.engine_plan import EngineWishes, build_files, plan_engine
from edge_mtl.export.gate import TOLERANCES, Tolerances
from edge_mtl.export.graph import onnx_from_network
from edge_mtl.export.half_rounding import rounded_to_half
from edge_mtl.export.hashed_data import HashedData
from edge_mtl.export.latency import Latencies, latencies
from edge_mtl.export.layers import name_nodes
from edge_mtl.export.precision import GateError, Precision, PrecisionSearch, Report, Trial
from edge_mtl.export.range_cache import cached_ranges
from edge_mtl.export.report import Candidate, ExportReport
from edge_mtl.export.schemes import Scheme, scheme
from edge_mtl.export.tensorrt_builder import EngineRequest
from edge_mtl.export.yardstick import Measured, Yardstick
from edge_mtl.network.network import Network
from edge_mtl.provenance import Provenance
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import ModelSpec

_ENGINES: Mapping[str, tuple[str, ...]] = {
    "cpu": ("onnxruntime", "openvino"),
    "openvino": ("openvino",),
}
"""By target that runs on this machine's processor, the engines that may run its bundles."""


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
    """

    target: str = "cpu"
    precision: Precision = "int8"
    calibration: CalibrationSettings = MIN_MAX
    tolerances: Tolerances = field(default_factory=lambda: TOLERANCES)
    elsewhere: bool = False
    engine: EngineWishes = field(default_factory=EngineWishes)


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
            are too few frames to calibrate with.
        GateError: no precision of the target is accurate enough.
        BuildError: TensorRT is missing or refuses the graph.
    """
    tell = tell or _silent
    chosen, request = _check(path, settings, calibration)
    name_nodes(floating)
    calibrated, measured = HashedData(calibration), HashedData(held_out)
    as_float = _bundle(path, spec, settings.target, "fp32", floating)
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
    search = PrecisionSearch(
        floating,
        chosen,
        ranges,
        nodes,
        partial(_package, path, spec, settings.target, chosen),
        yardstick,
        settings.tolerances,
        calibrated,
        tell,
    )
    kept, report = _decide(search, settings, chosen, tell)
    final = kept.model
    engines: dict[str, bytes] = {}
    entries: dict[str, EngineFile] = {}
    if request is not None:
        tell("engine", 0, STEPS)
        wanted = replace(request, half=kept.precision != "fp32")
        engines, entries = build_files(final.SerializeToString(), wanted, partial(tell, "engine"))
        tell("engine", STEPS, STEPS)
    before, after = yardstick.before, kept.measured
    made_from = {
        **(inputs or {}),
        "held-out data": measured.sha256(),
        "settings": _sha256(msgspec.json.encode(settings, order="sorted")),
    }
    if how is not None:
        made_from["calibration data"] = calibrated.sha256()
    bundle = _bundle(
        path,
        spec,
        settings.target,
        kept.precision,
        final,
        engines,
        engines=entries,
        calibration=how if kept.precision == "int8" else None,
        accuracy={"float": before.labels.to_json(), "exported": after.labels.to_json()},
        accuracy_data=held_out.name,
        report=report.to_json(times=False),
        provenance=Provenance.here(made_from),
    )
    return Export(bundle, before, after, report)


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
    if settings.precision == "int8":
        check_calibration(calibration)
    return chosen, request


def _decide(
    search: PrecisionSearch, settings: ExportSettings, chosen: Scheme, tell: Report
) -> tuple[Trial, ExportReport]:
    """The trial to keep and the report of all."""
    plain = search.whole("fp32")
    trials = [plain]
    if settings.precision == "int8":
        trials += search.quantised()
    if chosen.builds and settings.precision != "fp32" and not (trials[1:] and trials[-1].passed):
        trials.append(search.whole("fp16"))
    best = trials[-1]
    times: Latencies = {}
    engines = () if settings.elsewhere else _ENGINES.get(settings.target, ())
    if not best.passed:
        kept, reason = plain, "a task loses more than it may in anything less"
    elif engines and best is not plain:
        tell("latency", 0, 1)
        times = latencies({each.name: each.bundle for each in trials}, engines)
        tell("latency", 1, 1)
        kept, reason = _fastest([each for each in trials if each.passed], times)
    else:
        kept, reason = best, "no task loses more than it may"
    candidates = [
        Candidate(
            name=each.name,
            passed=each.passed,
            verdicts=() if each is plain else each.verdicts,
            latency_ms=times.get(each.name, {}),
        )
        for each in trials
    ]
    others: Precision = "fp16" if chosen.builds and kept is not plain else "fp32"
    report = search.report(kept, reason, candidates, others)
    if chosen.builds and not best.passed:
        worst = max(best.verdicts, key=lambda each: each.lost - each.allowed)
        raise GateError(
            f"expected every task within its tolerance, found that {worst.task} loses "
            f"{worst.lost:.2f} points of {worst.figure} even in float16, where {worst.allowed:g} "
            "are allowed; export with --precision fp32, or raise --tolerance",
            report,
        )
    return kept, report


def _fastest(passed: list[Trial], times: Latencies) -> tuple[Trial, str]:
    """Of the trials that passed the one with the lowest latency in its best engine; the last one,
    which has most in 8 bits, where nothing could be measured."""
    timed = [each for each in passed if times[each.name]]
    if not timed:
        return passed[-1], "no task loses more than it may"
    return (
        min(timed, key=lambda each: min(times[each.name].values())),
        "the fastest here of those in which no task loses more than it may",
    )


def _package(
    path: Path,
    spec: ModelSpec,
    target: str,
    chosen: Scheme,
    model: onnx.ModelProto,
    precision: Precision,
) -> tuple[onnx.ModelProto, Bundle]:
    """The graph as it goes into the bundle, and a bundle that computes as the target will: what a
    builder of engines turns into float16 is measured so."""
    if precision == "int8" and chosen.edges:
        strip_edges(model)
    computed = rounded_to_half(model) if chosen.builds and precision != "fp32" else model
    return model, _bundle(path, spec, target, precision, computed)


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


def _bundle(
    path: Path,
    spec: ModelSpec,
    target: str,
    precision: Precision,
    model: onnx.ModelProto,
    engine_files: Mapping[str, bytes] | None = None,
    **facts: Any,
) -> Bundle:
    """The bundle of a graph; `facts` are the fields of its `Manifest` that say how it was made."""
    return Bundle.create(
        path,
        {NETWORK: model.SerializeToString(), **(engine_files or {})},
        spec=spec,
        target=target,
        precision=precision,
        **edge_tensors(model, spec)._asdict(),
        **facts,
    )
