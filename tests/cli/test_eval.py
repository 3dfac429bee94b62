"""`edge-mtl eval` on a checkpoint that has learned nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from edge_mtl.cli import app
from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import SegmentationTask

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
torch = pytest.importorskip("torch", reason="torch, of the extra train, is not installed")

SPEC = ModelSpec(
    name="tiny",
    input=InputSpec(width=64, height=32),
    backbone="edgenet-n",
    neck_channels=8,
    tasks=(SegmentationTask(name="surface", classes=("road", "grass")),),
)


class Grey:
    """Three pictures, the second of which cannot be read."""

    name = "grey"
    vocabulary = Vocabulary({"surface": ("road", "grass")})

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Sample:
        if index == 1:
            raise EdgeMtlError("b.png: expected a picture, found a damaged file")
        mask = np.zeros((32, 64), np.uint8)
        mask[16:] = 1
        return Sample(np.full((32, 64, 3), 90, np.uint8), f"{index}", {"surface": mask})


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from edge_mtl.network.checkpoint import save_checkpoint
    from edge_mtl.network.network import Network

    monkeypatch.setattr("edge_mtl.cli.eval.open_labelled", lambda *_: Grey())
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, SPEC, Network(SPEC).state_dict())
    return path


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, arguments), "--data", "grey"])


def test_what_cannot_be_read_is_named_and_skipped(checkpoint: Path, tmp_path: Path) -> None:
    result = call(checkpoint, "--json", tmp_path / "figures.json")
    assert result.exit_code == 0, result.output
    assert "skipped: b.png" in result.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["engine"] == "torch"
    assert 0 <= figures["surface"]["miou"] <= 1


def test_plots_that_fail_lose_no_figures(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plots, is not installed")
    checkpoint.with_name("metrics.jsonl").write_text("no json")
    written = tmp_path / "figures.json"
    result = call(checkpoint, "--plots", tmp_path / "plots", "--json", written)
    assert result.exit_code == 1
    assert "expected a line of JSON an epoch" in result.output
    assert "mIoU" in result.output
    assert json.loads(written.read_text())["frames"] == 3
    assert (tmp_path / "plots" / "surface_confusion.png").exists()


def test_an_engine_for_bundles_is_refused(checkpoint: Path) -> None:
    result = call(checkpoint, "--engine", "openvino")
    assert result.exit_code == 2
    assert "openvino runs bundles" in result.output


def test_threads_are_those_of_torch(checkpoint: Path) -> None:
    before = torch.get_num_threads()
    try:
        assert call(checkpoint, "--threads", str(before + 1)).exit_code == 0
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_a_bundle_is_compared_with_its_checkpoint_stage_by_stage(
    checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime, of the extra cpu, is not installed")
    from edge_mtl.bundle import NETWORK, Bundle
    from edge_mtl.export.edges import edge_tensors
    from edge_mtl.export.graph import onnx_from_network
    from edge_mtl.network.checkpoint import load_checkpoint

    graph = onnx_from_network(load_checkpoint(checkpoint))
    facts = {"spec": SPEC, "target": "cpu", "precision": "fp32"}
    files = {NETWORK: graph.SerializeToString()}
    bundle = Bundle.create(
        tmp_path / "tiny.emtl", files, **facts, **edge_tensors(graph, SPEC)._asdict()
    )
    bundle.save()
    found = tmp_path / "figures.json"
    result = call(
        *(bundle.path, "--engine", "onnxruntime", "--against", checkpoint, "--json", found)
    )
    assert result.exit_code == 0, result.output
    parity = json.loads(found.read_text())["parity"]
    assert (parity["first"], parity["frames"]) == ("torch", 3)
    [stage] = parity["stages"]
    assert (stage["name"], stage["passed"]) == ("ONNX", True)
    assert stage["tasks"] == {"surface": {"figure": "pixel_accuracy", "agreement": 1}}
    error = stage["tensors"]["surface"]["in_all"]
    [line] = [line for line in result.output.splitlines() if " surface " in line and "(+" in line]
    assert f"{100 * error:.3g} (+{100 * error:.3g})" in line
    assert "surface: pixel_accuracy agrees" in result.output


def test_a_checkpoint_is_not_compared_with_itself(checkpoint: Path) -> None:
    result = call(checkpoint, "--against", checkpoint)
    assert result.exit_code == 2
    assert "give the bundle that `edge-mtl export` made of it" in " ".join(result.output.split())
