"""The same inputs give the same bundle, to the byte."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.data.datasets import Dataset
from edge_mtl.export.exporter import ExportSettings, export
from edge_mtl.export.gate import with_tolerances
from edge_mtl.network.network import Network

_EXPORT = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("networks", sys.argv[1])
networks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(networks)
from edge_mtl.export.exporter import ExportSettings, export
from edge_mtl.export.gate import with_tolerances
settings = ExportSettings(tolerances=with_tolerances(["100"]), elsewhere=True)
made = export(
    networks.make_network("edgenet-n"), Path(sys.argv[2]), settings,
    networks.Streets(32), networks.Streets(2), sources={"checkpoint": Path(sys.argv[1])},
)
made.bundle.save()
"""


@pytest.mark.parametrize("backbone", ["edgenet-n"])
def test_two_processes_export_the_same_bytes(
    network: Network, streets: Callable[[int], Dataset], tmp_path: Path
) -> None:
    """With other seeds of Python's hashes, in other folders and time zones."""
    paths = [tmp_path / "a" / "tiny.emtl", tmp_path / "elsewhere" / "again.emtl"]
    networks = Path(__file__).with_name("conftest.py")
    sources = {"checkpoint": networks}
    # A network of random weights loses more than any gate would pass, and latencies of a machine,
    # which may decide what is kept, are not the same twice.
    settings = ExportSettings(tolerances=with_tolerances(["100"]), elsewhere=True)
    made = export(network, paths[0], settings, streets(32), streets(2), sources=sources)
    made.bundle.save()
    subprocess.run(
        [sys.executable, "-c", _EXPORT, networks, paths[1]],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    provenance = Bundle.open(paths[0]).manifest.provenance
    assert provenance is not None
    assert provenance.inputs.keys() == {
        "calibration data",
        "checkpoint",
        "held-out data",
        "settings",
        "weights",
    }
    assert {"edge-mtl", "onnx", "onnxruntime", "torch", "python"} <= provenance.tools.keys()
    assert str(tmp_path).encode() not in first, "a bundle tells no path of the machine"
