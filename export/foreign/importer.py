"""From a network trained elsewhere to a bundle that passed the accuracy gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import UsageError
from edge_mtl.export.exporter import Export, ExportSettings, export_graph
from edge_mtl.export.foreign.foreign_network import ForeignNetwork, foreign_network
from edge_mtl.export.foreign.import_spec import ImportSpec
from edge_mtl.export.precision import Report


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file was found to be, and the bundle, not yet saved, that was made of it."""

    network: ForeignNetwork
    export: Export


def import_network(
    path: Path,
    said: ImportSpec,
    spec_path: Path,
    output: Path,
    settings: ExportSettings,
    calibration: Dataset,
    held_out: Dataset,
    tell: Report | None = None,
) -> Imported:
    """Make the bundle of an ONNX network; see `export_graph`, whose errors it raises too.

    Args:
        path: the ONNX file.
        said: what its spec.toml, `spec_path`, says.
        output: where the bundle is to be saved.
        calibration: the frames that the outputs are checked on, and that set the ranges of the
            8-bit activations.
        held_out: frames on which the float network and the exported one are measured: by their
            labels, or, of tasks that they do not label, by agreement with each other.

    Raises:
        UsageError: the spec does not fit together, or 8 bits are asked of a network that is
            quantised already.
        NetworkImportError: the network is not what the spec says.
    """
    network = foreign_network(path, said, spec_path, calibration)
    if network.quantised and settings.precision != "fp32":
        raise UsageError(
            f"{path}: is quantised already; import it as it is with --precision fp32, or give the "
            "float network"
        )
    made = export_graph(
        network.model,
        network.spec,
        output,
        settings,
        calibration,
        held_out,
        tell,
        [n.name for n in network.model.graph.node if n.name not in network.float_nodes],
    )
    return Imported(network, made)
