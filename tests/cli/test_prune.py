from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_mtl.cli import app
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import SegmentationTask

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("torch_pruning", reason="Torch-Pruning, of the extra train, is not installed")

SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=64, height=32),
    backbone="fusionnet",
    tasks=(SegmentationTask(name="road", classes=("no", "yes"), binary=True, stride=1),),
)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    from edge_mtl.network.checkpoint import save_checkpoint
    from edge_mtl.network.network import Network

    path = tmp_path / "wide.safetensors"
    save_checkpoint(path, SPEC, Network(SPEC).state_dict())
    return path


def test_a_narrower_checkpoint_and_what_it_costs(checkpoint: Path, tmp_path: Path) -> None:
    from edge_mtl.compression.cost import Cost
    from edge_mtl.network.checkpoint import load_checkpoint

    output, figures = tmp_path / "new" / "narrow.safetensors", tmp_path / "cost.json"
    arguments = ["prune", checkpoint, "-o", output, "--ratio", "0.5", "--frames", "2"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--json", str(figures)])
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_text())
    whole, narrow = (Cost.of(load_checkpoint(path)) for path in (checkpoint, output))
    assert found["before"] == {"parameters": whole.parameters, "macs": whole.macs}
    assert found["after"] == {"parameters": narrow.parameters, "macs": narrow.macs}
    assert narrow.macs < 0.3 * whole.macs
    assert f"{narrow.macs / whole.macs - 1:+.0%}" in result.stdout


def test_a_folder_is_no_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["prune", str(checkpoint), "-o", str(tmp_path)])
    assert result.exit_code == 2
    assert "expected a file to write, found a folder" in result.stderr
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_a_ratio_that_means_nothing(checkpoint: Path, tmp_path: Path) -> None:
    arguments = ["prune", str(checkpoint), "-o", str(tmp_path / "a"), "--ratio", "30"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "expected a ratio between 0 and 1, found 30" in result.stderr
