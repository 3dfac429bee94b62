"""`edge-mtl run` from end to end, and with everything that can be wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edge_mtl.bundle import Bundle
from edge_mtl.cli import app

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

import cv2
import numpy as np

MAIN = "from edge_mtl.cli import main; main()"


CountFrames = Callable[[Path], int]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["run", "--engine", "onnxruntime", *map(str, arguments)])


def test_a_file_is_paced_like_a_camera(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "o.json"
    result = run(tiny_bundle_path, "--source", tiny_video, "--rate", 60, "--json", figures)
    assert result.exit_code == 0, result.output
    data = json.loads(figures.read_text())
    assert data["frames"] + data["dropped"] == 30
    assert data["elapsed_s"] > 0.9 * 29 / 60


def test_a_camera_that_does_not_answer_ends_a_run_with_one_line(tiny_bundle_path: Path) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-c", MAIN, "run", str(tiny_bundle_path), "--engine", "onnxruntime"),
            *("--source", "rtsp://me:hidden@127.0.0.1:1/camera#give_up=0"),
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    [error] = [line for line in result.stderr.splitlines() if "error:" in line]
    assert error.startswith("edge-mtl: error: rtsp://***@127.0.0.1:1/camera cannot be opened")
    assert "hidden" not in result.stdout + result.stderr


def test_a_video_goes_in_and_a_video_lines_and_figures_come_out(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path, count_frames: CountFrames
) -> None:
    save, lines, figures = (tmp_path / name for name in ("o.mp4", "o.jsonl", "o.json"))
    result = run(
        tiny_bundle_path,
        "--source",
        tiny_video,
        "--save",
        save,
        "--jsonl",
        lines,
        "--json",
        figures,
    )
    assert result.exit_code == 0, result.output
    assert count_frames(save) == 30
    scenes = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [scene["frame"] for scene in scenes] == list(range(30))
    assert scenes[0]["width"] == 96
    data = json.loads(figures.read_text())
    assert (data["frames"], data["engine"], data["ended_by"]) == (30, "onnxruntime", "source")
    assert {"source", "preprocess", "engine", "head", "sinks", "total"} <= data["stages"].keys()
    for word in ("p50 ms", "p90 ms", "p99 ms", "preprocess", "frames/s"):
        assert word in result.stdout


def test_late_scenes_make_it_degrade(tiny_bundle_every_second: Bundle, tmp_path: Path) -> None:
    """No scene of a large frame comes within a millisecond."""
    path, lines, figures = (tmp_path / name for name in ("b.emtl", "o.jsonl", "o.json"))
    Bundle(path, tiny_bundle_every_second.manifest, tiny_bundle_every_second.files).save()
    source = ["--source", "rendered:frames=8,width=1280,height=720", "--lanes", 1]
    wanted = ["--late", "degrade", "--deadline-ms", 1, "--jsonl", lines, "--json", figures]
    result = run(path, *source, *wanted, "--save", tmp_path / "o.mp4")
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_text())
    assert found["frames"] == 8
    assert found["degraded"] >= 5
    assert f"{found['degraded']} scenes degraded, in {found['degradations']} stretches" in (
        result.output
    )
    scenes = [json.loads(line) for line in lines.read_text().splitlines()]
    degraded = [each for each in scenes if each.get("degraded")]
    assert len(degraded) == found["degraded"]
    tasks = [(list(each["masks"]), list(each["detections"])) for each in degraded]
    assert tasks[:2] == [(["classes", "drivable"], []), ([], ["detection"])]
    assert tasks[::2] == tasks[:1] * len(tasks[::2])
    assert tasks[1::2] == tasks[1:2] * len(tasks[1::2])


def test_files_are_cut_and_the_newest_kept(
    tiny_bundle_path: Path, long_video: Path, tmp_path: Path
) -> None:
    size = ("--segment-mb", "1", "--segments", "2")
    lines = tmp_path / "o.jsonl"
    arguments = ("-s", long_video, "--frames", "1500", "--jsonl", lines, "--json", "-")
    result = run(tiny_bundle_path, *arguments, *size)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sinks"][f"--jsonl {lines}"]["written"] == 1500
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    frames = [json.loads(line)["frame"] for each in kept for line in each.read_text().splitlines()]
    assert frames == list(range(frames[0], 1500))
    assert frames[0] > 0


def test_a_sink_that_fails_leaves_the_others_and_an_exit_code(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path, count_frames: CountFrames
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no full device to write to")
    save = tmp_path / "o.avi"
    result = run(tiny_bundle_path, "-s", tiny_video, "--jsonl", "/dev/full", "--save", save)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "--jsonl /dev/full stopped after 0 scenes" in result.stderr
    assert "--jsonl /dev/full: 0 frames written, 30 dropped" in result.stdout
    assert count_frames(save) == 30


def test_standard_output_is_json_alone_where_it_is_asked_for(
    tiny_bundle_path: Path, tiny_video: Path
) -> None:
    result = run(tiny_bundle_path, "-s", tiny_video, "--frames", "3", "--json", "-")
    data = json.loads(result.stdout)
    assert (data["frames"], data["ended_by"]) == (3, "max_frames")
    assert "p50 ms" in result.stderr


def test_masks_of_the_networks_size_are_an_option(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    shares = []
    for masks in ("frame", "network"):
        lines = tmp_path / f"{masks}.jsonl"
        arguments = ("--masks", masks, "--jsonl", lines, "--frames", "1")
        assert run(tiny_bundle_path, "-s", tiny_video, *arguments).exit_code == 0
        shares.append(json.loads(lines.read_text())["masks"])
    assert shares[0] == shares[1]  # the video has the network's size


def no_such_file(folder: Path, video: Path) -> list[str | Path]:
    return ["--source", folder / "none.mp4"]


def not_a_video(folder: Path, video: Path) -> list[str | Path]:
    (folder / "text.mp4").write_text("no video")
    return ["--source", folder / "text.mp4"]


def empty_folder(folder: Path, video: Path) -> list[str | Path]:
    (folder / "empty").mkdir()
    return ["--source", folder / "empty"]


def unknown_scheme(folder: Path, video: Path) -> list[str | Path]:
    return ["--source", "rendred:seed=1"]


def no_camera(folder: Path, video: Path) -> list[str | Path]:
    return ["--source", "97"]


def wrong_suffix(folder: Path, video: Path) -> list[str | Path]:
    return ["--source", video, "--save", folder / "o.gif"]


def unwritable_video(folder: Path, video: Path) -> list[str | Path]:
    (folder / "o.mp4").mkdir()
    return ["--source", video, "--save", folder / "o.mp4"]


def keep_without_cut(folder: Path, video: Path) -> list[str | Path]:
    return ["--source", video, "--segments", "3"]


def unwritable_json(folder: Path, video: Path) -> list[str | Path]:
    return ["--source", video, "--json", folder]


def degrade_without_deadline(folder: Path, video: Path) -> list[str | Path]:
    return ["--source", video, "--late", "degrade"]


def degrade_without_lighter(folder: Path, video: Path) -> list[str | Path]:
    return ["--source", video, "--late", "degrade", "--deadline-ms", "50"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (degrade_without_deadline, 2, "--late degrade needs --deadline-ms"),
        (degrade_without_lighter, 2, "-o BUNDLE --degrade half_resolution`"),
        (no_such_file, 1, "no such file or folder"),
        (not_a_video, 1, "expected a video"),
        (empty_folder, 1, "expected images in this folder"),
        (unknown_scheme, 2, "did you mean 'rendered'"),
        (no_camera, 1, "expected the device /dev/video97"),
        (wrong_suffix, 2, "expected a video that ends in"),
        (unwritable_video, 1, "expected a file that can be written"),
        (keep_without_cut, 2, "--segments needs --segment-mb"),
        (unwritable_json, 1, "expected a file that can be written"),
    ],
)
def test_bad_input_is_one_line(
    tiny_bundle_path: Path,
    tiny_video: Path,
    tmp_path: Path,
    arguments: Callable[[Path, Path], list[str | Path]],
    exit_code: int,
    words: str,
) -> None:
    result = run(tiny_bundle_path, *arguments(tmp_path, tiny_video))
    assert result.exit_code == exit_code
    assert result.stderr.startswith("edge-mtl: error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"network.onnx") + 100] ^= 1  # in the compressed network
    path.write_bytes(data)


def make_newer(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        network = archive.read("network.onnx")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps({**manifest, "format": 99}))
        archive.writestr("network.onnx", network)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "damaged or truncated"),
        (change_a_byte, "damaged"),  # the zip's own checksum sees it first
        (make_newer, "has bundle format 99"),
        (Path.unlink, "no such bundle"),
    ],
)
def test_a_damaged_bundle_is_one_line_and_nothing_is_lost(
    tiny_bundle_path: Path,
    tiny_video: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    words: str,
) -> None:
    broken, lines, save = (tmp_path / name for name in ("broken.emtl", "o.jsonl", "o.mp4"))
    broken.write_bytes(tiny_bundle_path.read_bytes())
    damage(broken)
    lines.write_text("precious")
    save.write_text("precious")
    result = run(broken, "--source", tiny_video, "--jsonl", lines, "--save", save)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"edge-mtl: error: {broken}: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert lines.read_text() == save.read_text() == "precious"


def test_frames_of_another_size_in_mid_stream(
    tiny_bundle_path: Path, tmp_path: Path, count_frames: CountFrames
) -> None:
    folder, save, lines = tmp_path / "in", tmp_path / "o.mp4", tmp_path / "o.jsonl"
    folder.mkdir()
    for index, size in enumerate([(64, 96), (100, 50), (31, 33), (64, 96)]):
        cv2.imwrite(str(folder / f"{index}.png"), np.zeros((*size, 3), np.uint8))
    result = run(tiny_bundle_path, "--source", folder, "--save", save, "--jsonl", lines)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("the video keeps its size") == 1
    assert count_frames(save) == 4
    scenes = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [(s["width"], s["height"]) for s in scenes] == [(96, 64), (50, 100), (33, 31), (96, 64)]


def test_unreadable_images_are_counted(tiny_bundle_path: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((64, 96, 3), np.uint8))
    (tmp_path / "2.png").write_bytes(b"no image")
    result = run(tiny_bundle_path, "--source", tmp_path)
    assert result.exit_code == 0
    assert "skipped" in result.stderr
    assert "1 pictures unreadable" in result.stdout


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A network with random weights, as training saves one."""
    pytest.importorskip("torch", reason="the extra train is not installed")
    from edge_mtl.network.checkpoint import save_checkpoint
    from edge_mtl.network.network import Network
    from edge_mtl.spec import InputSpec, ModelSpec
    from edge_mtl.tasks import SegmentationTask

    tasks = (SegmentationTask(name="surface", classes=("road", "grass")),)
    spec = ModelSpec(
        name="tiny",
        input=InputSpec(width=64, height=32),
        backbone="edgenet-n",
        neck_channels=8,
        tasks=tasks,
    )
    save_checkpoint(tmp_path / "best.safetensors", spec, Network(spec).state_dict())
    return tmp_path / "best.safetensors"


@pytest.mark.parametrize("engine", ["torch", "auto"])
def test_a_checkpoint_runs_in_torch(
    checkpoint: Path, engine: str, tiny_video: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "o.json"
    arguments = "--source", str(tiny_video), "--frames", "3", "--json", str(figures)
    words = ["run", str(checkpoint), "--engine", engine, *arguments]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found = json.loads(figures.read_text())
    assert (found["engine"], found["frames"]) == ("torch", 3)


def test_what_torch_does_not_run_is_told(
    checkpoint: Path, tiny_bundle_path: Path, tiny_video: Path
) -> None:
    for words, message in (
        ((tiny_bundle_path, "--engine", "torch"), "torch runs checkpoints"),
        ((checkpoint, "--engine", "openvino"), "openvino runs bundles"),
        ((checkpoint, "--engine", "torch", "--trust", "key.pem"), "only bundles are"),
    ):
        arguments = ["run", "--source", str(tiny_video), *map(str, words)]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert message in result.output
