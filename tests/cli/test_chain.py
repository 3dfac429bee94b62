"""The whole chain from the command line, on pictures of the size of a stamp."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge_mtl.bundle import Bundle
from edge_mtl.cli import app

for module, extra in (("cv2", "cpu"), ("torch", "train"), ("onnx", "export")):
    pytest.importorskip(module, reason=f"{module}, of the extra {extra}, is not installed")

CONFIG = """
name = "stamp"
epochs = 1
batch = 4
crop = [96, 64]
warmup_epochs = 0.0

[model]
name = "stamp"
backbone = "edgenet-n"
neck_channels = 16
input = { width = 96, height = 64 }

[[model.tasks]]
type = "segmentation"
name = "segmentation"
classes = ["Road", "Building", "Sky", "Car"]

[[model.tasks]]
type = "segmentation"
name = "road"
classes = ["elsewhere", "road"]
stride = 2
binary = true

[[model.tasks]]
type = "detection"
classes = ["car", "pedestrian"]

[[model.tasks]]
type = "pose"
keypoints = ["nose", "left_ankle", "right_ankle"]

[[model.tasks]]
type = "classification"
name = "time"
classes = ["day", "dusk", "night"]

[[model.tasks]]
type = "classification"
name = "objects"
classes = ["car", "pedestrian", "cyclist", "sign"]
multi_label = true

[loss]
lovasz = 0.5
auxiliary = 0.4

[data]
workers = 0
val_limit = 2

[data.val]
data = "rendered:SCENES"
split = "val"
classes.masks.road = { source = "segmentation", classes = { Road = "road" }, rest = "elsewhere" }
classes.attributes.objects = { source = "boxes" }

[[data.train]]
data = "rendered:SCENES"
classes.masks.road = { source = "segmentation", classes = { Road = "road" }, rest = "elsewhere" }
classes.attributes.objects = { source = "boxes" }
"""
TASKS = {"segmentation", "road", "detection", "pose", "time", "objects"}


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def succeed(*arguments: str | Path) -> Result:
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered scenes with labels: 32 to train on, 3 to measure."""
    folder = tmp_path_factory.mktemp("scenes") / "scenes"
    size = ("--width", "128", "--height", "80", "--clip-frames", "16", "--fps", "2")
    succeed("render", "--frames", "32", "--seed", "1", *size, "-o", folder / "train")
    succeed("render", "--frames", "3", "--seed", "2", *size, "-o", folder / "val")
    return folder


@pytest.fixture(scope="module")
def config(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "stamp.toml"
    path.write_text(CONFIG.replace("SCENES", str(scenes)))
    return path


@pytest.fixture(scope="module")
def checkpoint(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    succeed("train", config, "--runs", runs)
    return runs / "stamp" / "best.safetensors"


@pytest.fixture(scope="module")
def bundle(
    checkpoint: Path, scenes: Path, config: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "stamp.emtl"
    frames = ("--calibrate", f"rendered:{scenes}", "--frames", "32", "--recipe", config)
    # What a network that knows nothing yet loses, and which precision is faster, is chance.
    lenient = ("--tolerance", "100", "--elsewhere")
    succeed("export", checkpoint, "-o", path, *frames, *lenient)
    return path


def test_a_run_leaves_its_checkpoints_metrics_and_configuration(checkpoint: Path) -> None:
    names = {path.name for path in checkpoint.parent.iterdir()}
    assert names >= {"best.safetensors", "last.safetensors", "metrics.jsonl", "config.json"}
    lines = [json.loads(line) for line in (checkpoint.parent / "metrics.jsonl").open()]
    assert [line["epoch"] for line in lines] == [1]
    assert set(lines[0]["loss"]) == {*TASKS, "total"}
    assert 0.0 <= lines[0]["val"]["segmentation"]["miou"] <= 1.0


def test_eval_measures_checkpoint_and_bundle_alike(
    checkpoint: Path, bundle: Path, scenes: Path, config: Path, tmp_path: Path
) -> None:
    figures = {}
    data = ("--data", f"rendered:{scenes}", "--split", "val", "--recipe", config)
    for model in (checkpoint, bundle):
        path = tmp_path / f"{model.suffix}.json"
        succeed("eval", model, *data, "--json", path)
        figures[model.suffix] = json.loads(path.read_text())
        assert figures[model.suffix]["frames"] == 3
        assert set(figures[model.suffix]["detection"]) >= {"map50", "map", "precision", "recall"}
        # Whether three frames hold a pedestrian is up to the scenes.
        assert {*figures[model.suffix], "pose"} >= TASKS
    difference = [each["segmentation"]["pixel_accuracy"] for each in figures.values()]
    assert abs(difference[0] - difference[1]) < 0.15  # 8 bits of a network that knows nothing yet


def test_eval_draws_what_it_measures(
    checkpoint: Path, bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plots, is not installed")
    data = ("--data", f"rendered:{scenes}", "--split", "val", "--limit", "2")
    drawn = {}
    for model in (checkpoint, bundle):
        folder = tmp_path / model.suffix[1:]
        succeed("eval", model, *data, "--plots", folder)
        drawn[model] = {path.name for path in folder.iterdir()}
        for path in folder.iterdir():
            assert path.read_bytes().startswith(b"\x89PNG")
    assert drawn[bundle] >= {"segmentation_confusion.png", "segmentation_frames.png"}
    only = drawn[checkpoint] - drawn[bundle]
    assert {"training.png", "segmentation_attribution.png"} <= only


def test_an_exported_bundle_says_how_it_was_made_and_runs(
    bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    manifest = Bundle.open(bundle).manifest
    assert manifest.calibration is not None
    assert manifest.calibration.frames == 32
    assert manifest.accuracy is not None
    assert manifest.accuracy["float"]["frames"] == manifest.accuracy["exported"]["frames"] == 3
    assert manifest.input.dtype == "uint8"
    assert manifest.report is not None
    assert manifest.report["kept"] == "int8"
    lines = tmp_path / "scenes.jsonl"
    succeed("run", bundle, "--source", scenes / "val" / "images", "--jsonl", lines)
    assert len(lines.read_text().splitlines()) == 3


def test_lesson_a_bundle_holds_every_task_and_several_of_a_kind(
    bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    """ultralytics#6949, #19640; YOLOv8-multi-task#21, #32: one network for several tasks is wanted,
    and exported by hand. edgeai-yolov5#6, libreyolo#728: what runs it takes one task a model.
    """
    report = Bundle.open(bundle).manifest.report
    assert report is not None
    judged = {figure["task"] for figure in report["candidates"][1]["figures"]}
    # It knows nothing yet: where it finds no boxes and no persons, there is nothing to compare.
    assert TASKS - {"detection", "pose"} <= judged <= TASKS
    lines = tmp_path / "scenes.jsonl"
    succeed("run", bundle, "--source", scenes / "val" / "images", "--jsonl", lines)
    for line in lines.read_text().splitlines():
        scene = json.loads(line)
        assert scene["masks"].keys() == {"segmentation", "road"}
        assert scene["classifications"].keys() == {"time", "objects"}
        assert (scene["detections"].keys(), scene["poses"].keys()) == ({"detection"}, {"pose"})


def test_lesson_check_names_the_engine_that_goes_wrong(
    checkpoint: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ultralytics#22873: right in ONNX, wrong in the engine on the board."""
    from edge_mtl.export import exporter, parity
    from edge_mtl.runtime.engines.ort import OnnxRuntimeEngine

    class UpsideDown(OnnxRuntimeEngine):
        name = "a new engine"

        def infer(self, frames: int = 1) -> None:
            super().infer()
            for output in self.outputs.values():
                output[:] = output[:, ::-1, ::-1].copy()

    def open_engine(name: str, bundle: Bundle) -> OnnxRuntimeEngine:
        return (UpsideDown if name == "auto" else OnnxRuntimeEngine)(bundle, 1)

    monkeypatch.setattr(parity, "open_engine", open_engine)
    once = cache(exporter.onnx_from_network)  # converting takes longer than all the rest
    for module in (exporter, parity):
        monkeypatch.setattr(module, "onnx_from_network", once)
    how = ("--precision", "fp32", "--calibrate", f"rendered:{scenes}", "--check")
    result = call("export", checkpoint, "-o", tmp_path / "wrong.emtl", *how)
    assert result.exit_code == 1
    assert "stage 'in a new engine' goes wrong" in result.stderr
    assert "try another engine or another version of it" in result.stderr


def test_without_labels_a_clip_calibrates_and_the_float_network_is_the_judge(
    checkpoint: Path, tmp_path: Path
) -> None:
    clip, path, report = (tmp_path / name for name in ("clip.mp4", "clip.emtl", "clip.json"))
    succeed("render", "--frames", "64", "--width", "96", "--height", "64", "-o", clip)
    how = ("--calibrate", f"video:{clip}", "--frames", "32", "--limit", "4", "--method", "mse")
    result = succeed("export", checkpoint, "-o", path, *how, "--tolerance", "100", "--json", report)
    found = json.loads(report.read_text())
    assert found["calibration"]["method"] == "mse"
    figures = found["report"]["candidates"][1]["figures"]
    assert {figure["basis"] for figure in figures} == {"agreement"}
    assert {"segmentation", "road", "time"} <= {figure["task"] for figure in figures}
    assert "points lost on 4 frames" in result.output
    assert "latency of the network here" in result.output


def test_a_board_builds_its_engine_itself(
    checkpoint: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lesson 25, an export that needs the GPU that it is for: here the board finishes it."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    path = tmp_path / "nano.emtl"
    how = ("--calibrate", f"rendered:{scenes}", "--frames", "32", "--limit", "2")
    command = ("export", checkpoint, "-o", path, "--device", "jetson-orin-nano", *how)
    said = " ".join(succeed(*command, "--tolerance", "100").output.split())
    assert f"on the device, `edge-mtl export --rebuild {path}` builds it" in said
    manifest = Bundle.open(path).manifest
    assert (manifest.target, manifest.engines) == ("tensorrt", {})
    fail = CliRunner().invoke(app, ["export", "--rebuild", str(path)])
    assert fail.exit_code == 1
    assert "tensorrt is not installed" in fail.stderr
    fail = CliRunner().invoke(app, ["export", "--rebuild", str(path), "--target", "cpu"])
    assert fail.exit_code == 2
    assert "leave --target, --precision, --degrade out" in fail.stderr


def test_a_recipe_that_says_nothing_of_the_data_is_refused(
    bundle: Path, config: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    result = call("eval", bundle, "--data", f"images:{tmp_path}", "--recipe", config)
    assert result.exit_code == 2
    assert "says nothing of 'images' data, it has rendered:" in result.output


def test_a_rendered_video_plays(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "clip.mp4"
    succeed("render", "--frames", "4", "--width", "128", "--height", "80", "-o", path)
    capture = cv2.VideoCapture(str(path))
    assert sum(capture.read()[0] for _ in range(6)) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("train", "{config}", "epoch=3"), 2, ["unknown key 'epoch'", "did you mean 'epochs'"]),
        (("train", "{config}", "model.backbone=edgenet-x"), 2, ["did you mean 'edgenet-"]),
        (("train", "drivings"), 2, ["did you mean 'driving-s'"]),
        (("eval", "{checkpoint}", "--data", "camvi:x"), 2, ["did you mean 'camvid'"]),
        (("eval", "/no/such.safetensors", "--data", "rendered"), 1, ["no such checkpoint"]),
        (("eval", "{bundle}", "--data", "camvid:/no/such"), 1, ["/no/such", "expected"]),
        (("export", "{checkpoint}", "-o", "x.emtl", "--target", "cpus"), 2, ["mean 'cpu'"]),
        (("export", "{checkpoint}", "-o", "x.emtl", "--frames", "3"), 2, ["at least 32"]),
        (("export", "{checkpoint}", "-o", "x.emtl", "--tolerance", "pose=x"), 2, ["points from 0"]),
        (("export", "{checkpoint}", "-o", "x.emtl", "--percentile", "0.999"), 2, ["between 50"]),
        (("export", "{checkpoint}", "-o", "x.emtl", "--precision", "fp16"), 2, ["choose fp32"]),
        (("render", "-o", "clip.gif"), 2, ["expected a video", "'.gif'"]),
        (("render", "-o", "{scenes}"), 2, ["new or an empty folder"]),
    ],
)
def test_what_cannot_work_is_one_clear_line(
    arguments: tuple[str, ...],
    code: int,
    words: list[str],
    config: Path,
    checkpoint: Path,
    bundle: Path,
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    known = {"config": config, "checkpoint": checkpoint, "bundle": bundle, "scenes": scenes}
    result = call(*(each.format(**known) for each in arguments))
    assert result.exit_code == code, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert all(word in result.stderr for word in words), result.stderr
    assert not list(tmp_path.glob("*.emtl"))


def test_a_run_of_another_network_is_refused_and_kept(checkpoint: Path, config: Path) -> None:
    before = checkpoint.read_bytes()
    runs = checkpoint.parent.parent
    result = call("train", config, "model.neck_channels=24", "--runs", runs)
    assert result.exit_code == 1
    assert "model.neck_channels = 16, found 24" in result.stderr
    assert checkpoint.read_bytes() == before


@pytest.mark.slow
def test_the_demo_leaves_all_that_it_promises(tmp_path: Path) -> None:
    import cv2

    succeed("demo", "-o", tmp_path, "--frames", "12", "--seconds", "0.5")
    capture = cv2.VideoCapture(str(tmp_path / "annotated.mp4"))
    assert sum(capture.read()[0] for _ in range(14)) == 12
    accuracy = json.loads((tmp_path / "accuracy.json").read_text())
    lost = accuracy["float"]["segmentation"]["miou"] - accuracy["exported"]["segmentation"]["miou"]
    assert lost < 0.02
    assert json.loads((tmp_path / "latency.json").read_text())["stages"]["engine"]["p50_ms"] > 0
    assert len(json.loads((tmp_path / "bench.json").read_text())["subjects"]) >= 2
    assert "driving-s, openvino" in (tmp_path / "report.html").read_text()
    succeed("run", tmp_path / "driving-s.emtl", "--source", "rendered:frames=2")
