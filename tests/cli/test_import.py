"""`edge-mtl inspect` and `edge-mtl import`, and what is done with the bundle."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from edge_mtl.cli import app

onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, makes the network")
cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, writes the pictures")
runner = CliRunner()


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A convolution of stride 4 to 3 classes, with names as an exporter notes them."""
    from onnx import helper, numpy_helper

    weight = np.random.default_rng(0).normal(size=(3, 3, 4, 4)).astype(np.float32)
    edges = [
        helper.make_tensor_value_info("input.1", onnx.TensorProto.FLOAT, (1, 3, 64, 96)),
        helper.make_tensor_value_info("458", onnx.TensorProto.FLOAT, (1, 3, 16, 24)),
    ]
    node = helper.make_node("Conv", ["input.1", "w"], ["458"], strides=[4, 4])
    tensors = [numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph([node], "g", edges[:1], edges[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"names": "{0: 'road', 1: 'sky', 2: 'car'}"})
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(33):
        coarse = np.random.default_rng(i).integers(0, 256, (8, 12, 3), np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), cv2.resize(coarse, (120, 80)))
    return folder


def test_from_a_file_that_nobody_described_to_a_running_bundle(
    network: Path, images: Path, tmp_path: Path
) -> None:
    found = runner.invoke(app, ["inspect", str(network)])
    assert found.exit_code == 0, found.output
    assert 'classes = ["road", "sky", "car"]' in found.stdout
    assert "1 operators: Conv 1" in found.stderr
    spec, bundle = tmp_path / "spec.toml", tmp_path / "net.emtl"
    spec.write_text(found.stdout)

    figures = tmp_path / "import.json"
    settings = ["--spec", str(spec), "-o", str(bundle), "--calibrate", f"images:{images}"]
    made = runner.invoke(app, ["import", str(network), *settings, "--json", str(figures)])
    assert made.exit_code == 0, made.output
    manifest = json.loads(figures.read_text())
    assert manifest["spec"]["backbone"] == "imported"
    assert {each["precision"] for each in manifest["report"]["candidates"]} >= {"fp32", "int8"}

    shown = runner.invoke(app, ["inspect", str(bundle), "--json", "-"])
    assert json.loads(shown.stdout)["manifest"]["files"] == manifest["files"]
    assert "segmentation 'segmentation', 3 classes: road, sky, car" in shown.stderr
    assert "segmentation pixel_accuracy" in shown.stderr

    scenes = tmp_path / "scenes.jsonl"
    ran = ["run", str(bundle), "-s", str(images), "--frames", "2", "--jsonl", str(scenes)]
    assert runner.invoke(app, [*ran, "--engine", "onnxruntime"]).exit_code == 0
    assert len(scenes.read_text().splitlines()) == 2
    bench = ["bench", str(bundle), "-s", str(images), "--seconds", "0.1"]
    alone = ["--rate", "0", "--streams", "0", "--starts", "0"]
    assert runner.invoke(app, [*bench, "--engine", "onnxruntime", *alone]).exit_code == 0


def test_an_error_is_one_line_with_the_line_to_write(
    network: Path, images: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(
        'name = "n"\n[input]\nwidth = 96\nheight = 64\n[[tasks]]\ntype = "segmentation"\n'
        'name = "s"\nclasses = ["road", "sky"]\n'
    )
    settings = ["--spec", str(spec), "-o", str(tmp_path / "n.emtl")]
    failed = runner.invoke(
        app, ["import", str(network), *settings, "--calibrate", f"images:{images}"]
    )
    assert failed.exit_code == 1
    assert "the spec names 2 classes; name 3 in classes = [...]" in failed.stderr
    assert not (tmp_path / "n.emtl").exists()


def test_a_file_that_is_none_of_these(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"no network at all, only words")
    failed = runner.invoke(app, ["inspect", str(path)])
    assert failed.exit_code == 1
    assert "expected an ONNX network, found something else" in failed.stderr


def test_an_engine_says_what_loads_it(tmp_path: Path) -> None:
    path = tmp_path / "x.engine"
    path.write_bytes(b"ftrt" + bytes(20) + bytes([10, 3, 0, 30]) + bytes(64))
    found = runner.invoke(app, ["inspect", str(path), "--json", "-"])
    assert msgspec.json.decode(found.stdout) == {"module": "tensorrt", "version": "10.3.0.30"}
