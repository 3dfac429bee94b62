"""From a network trained elsewhere to a measured bundle."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from edge_mtl.bundle import NETWORK, Bundle, Calibration
from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.export.edges import edge_tensors, strip_edges
from edge_mtl.export.exporter import Precision, Report
from edge_mtl.export.foreign.foreign_network import ForeignNetwork, foreign_network
from edge_mtl.export.foreign.import_spec import ImportSpec
from edge_mtl.export.gate import Verdict, failed, judge
from edge_mtl.export.quantize import check_calibration, quantize
from edge_mtl.export.schemes import scheme
from edge_mtl.export.tensorrt_builder import build_engine, check_builder
from edge_mtl.export.yardstick import Measured, Yardstick
from edge_mtl.runtime.engines import open_engine


@dataclass(frozen=True, slots=True)
class Imported:
    """A bundle that is not yet saved.

    network: what it was made of.
    before, after: of the float network and of the one in the bundle.
    verdicts: what each task lost; empty of a float bundle.
    """

    bundle: Bundle
    network: ForeignNetwork
    before: Measured
    after: Measured
    verdicts: list[Verdict]


def import_network(
    path: Path,
    said: ImportSpec,
    spec_path: Path,
    output: Path,
    target: str,
    precision: Precision,
    calibration: Dataset,
    held_out: Dataset,
    compute_capability: str | None = None,
    report: Report | None = None,
) -> Imported:
    """Make the bundle of an ONNX network, and measure what it lost.

    Args:
        path: the ONNX file.
        said: what its spec.toml, `spec_path`, says.
        output: where the bundle is to be saved.
        target, precision, compute_capability: as of `exporter.export`.
        calibration: the frames that the outputs are checked on, and that set the ranges of the
            8-bit activations.
        held_out: frames on which the float network and the quantised one are measured: by their
            labels, or, of tasks that they do not label, by agreement with each other.
        report: called as the work goes on.

    Raises:
        UsageError: as of `exporter.export`, or the spec does not fit together.
        NetworkImportError: the network is not what the spec says.
        EdgeMtlError: a task loses more than it may; the message says how much.
    """
    tell = report or (lambda stage, done, total: None)
    chosen = scheme(target)
    if chosen.builds:
        check_builder(chosen.builds, compute_capability)
    elif compute_capability is not None:
        raise UsageError(
            f"target {target!r} builds no engine, so it takes no compute capability; leave it out"
        )
    if precision == "int8":
        check_calibration(calibration)

    tell("read", 0, 1)
    network = foreign_network(path, said, spec_path, calibration)
    tell("read", 1, 1)
    if network.quantised and precision == "int8":
        raise UsageError(
            f"{path}: is quantised already; import it as it is with --precision fp32, or give the "
            "float network"
        )
    spec, floating = network.spec, network.model
    as_float = _bundle(output, network, target, "fp32", floating)
    with closing(open_engine("onnxruntime", as_float)) as engine:
        yardstick = Yardstick(spec, engine, held_out, partial(tell, "measure float"))
    before = after = yardstick.before
    final, how, verdicts = floating, None, []
    if precision == "int8":
        final = quantize(
            floating, spec, chosen, calibration, partial(tell, "calibrate"), _eight_bit(network)
        )
        how = Calibration(data=calibration.name, frames=len(calibration), method="min-max")
        if chosen.edges:
            strip_edges(final)
        as_int8 = _bundle(output, network, target, "int8", final)
        with closing(open_engine("onnxruntime", as_int8)) as engine:
            after = yardstick(engine, partial(tell, "measure int8"))
        verdicts = judge(before, after)
        _refuse_losses(verdicts)
    engines = {}
    if chosen.builds:
        tell("engine", 0, 1)
        built_for = f".sm{compute_capability.replace('.', '')}" if compute_capability else ""
        engines[f"network{built_for}.engine"] = build_engine(
            final.SerializeToString(), chosen.builds, compute_capability
        )
        tell("engine", 1, 1)
    bundle = _bundle(
        output,
        network,
        target,
        precision,
        final,
        engines,
        calibration=how,
        accuracy={"float": _figures(before), "exported": _figures(after)},
        accuracy_data=held_out.name,
    )
    return Imported(bundle, network, before, after, verdicts)


def _eight_bit(network: ForeignNetwork) -> list[str]:
    return [n.name for n in network.model.graph.node if n.name not in network.float_nodes]


def _refuse_losses(verdicts: list[Verdict]) -> None:
    tasks = failed(verdicts)
    if not tasks:
        return
    lost = ", ".join(
        f"{each.task} {each.figure} {each.before:.3f} to {each.after:.3f} ({each.basis}), allowed "
        f"{each.allowed:g} points"
        for each in verdicts
        if not each.passed
    )
    raise EdgeMtlError(
        f"INT8 costs {', '.join(tasks)} more than it may: {lost}; import with --precision fp32, or "
        "calibrate with more frames, of the kind that the network was trained on"
    )


def _figures(measured: Measured) -> dict[str, Any]:
    """One table, as `edge-mtl eval` writes it; what agrees with the float network is so named."""
    agreement = measured.agreement.to_json()
    del agreement["frames"]
    return {**measured.labels.to_json(), "agreement": agreement}


def _bundle(
    path: Path,
    network: ForeignNetwork,
    target: str,
    precision: Precision,
    model: onnx.ModelProto,
    engines: dict[str, bytes] | None = None,
    **facts: Any,
) -> Bundle:
    return Bundle.create(
        path,
        {NETWORK: model.SerializeToString(), **(engines or {})},
        spec=network.spec,
        target=target,
        precision=precision,
        **edge_tensors(model, network.spec)._asdict(),
        **facts,
    )
