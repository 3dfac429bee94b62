"""`edge-mtl run` with several sources, from end to end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from edge_mtl.bundle import Bundle
from edge_mtl.cli import app

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

import cv2
import numpy as np

MAIN = "from edge_mtl.cli import main; main()"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["run", "--engine", "onnxruntime", *map(str, arguments)])


@pytest.fixture(scope="module")
def bundle_of_3(tiny_bundle_of_3: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "tiny.emtl"
    Bundle(path, tiny_bundle_of_3.manifest, tiny_bundle_of_3.files).save()
    return path


def folder(path: Path, frames: int, size: tuple[int, int], seed: int) -> Path:
    path.mkdir()
    rng = np.random.default_rng(seed)
    for index in range(frames):
        picture = rng.integers(0, 256, (*size, 3), np.uint8)
        cv2.imwrite(str(path / f"{index}.png"), picture)
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Without what differs from run to run."""
    scenes = [json.loads(line) for line in path.read_text().splitlines()]
    for scene in scenes:
        for name in ("captured_ns", "captured_at", "stages_ms"):
            del scene[name]
    return scenes


@pytest.mark.parametrize("batches", [False, True], ids=["one at a time", "in batches"])
def test_several_files_go_to_files_of_their_own_and_are_seen_as_alone(
    tiny_bundle_path: Path, bundle_of_3: Path, tmp_path: Path, batches: bool
) -> None:
    model = bundle_of_3 if batches else tiny_bundle_path
    sources = {
        "front": folder(tmp_path / "front", 9, (48, 90), 1),
        "rear": folder(tmp_path / "r", 5, (70, 50), 2),
        "drive-7": folder(tmp_path / "drive 7", 7, (48, 90), 3),
    }
    figures = tmp_path / "out.json"
    arguments = ("-s", sources["front"], "-s", f"{sources['rear']}#name=rear")
    result = run(
        *(model, *arguments, "-s", sources["drive-7"]),
        *("--jsonl", tmp_path / "out.jsonl", "--save", tmp_path / "out.avi"),
        *("--coco", tmp_path / "boxes.json", "--json", figures),
    )
    assert result.exit_code == 0, result.output
    for name, source in sources.items():
        alone = tmp_path / "alone.jsonl"
        assert run(tiny_bundle_path, "-s", f"{source}#name={name}", "--jsonl", alone).exit_code == 0
        assert lines_of(tmp_path / f"out-{name}.jsonl") == lines_of(alone)
        assert (tmp_path / f"out-{name}.avi").exists()
        assert json.loads((tmp_path / f"boxes-{name}.json").read_text())
    assert not list(tmp_path.glob("out.[aj]*l*"))
    data = json.loads(figures.read_text())
    assert (data["source"], data["frames"]) == ("front, rear, drive-7", 21)
    assert {name: each["frames"] for name, each in data["cameras"].items()} == {
        "front": 9,
        "rear": 5,
        "drive-7": 7,
    }
    written = data["cameras"]["rear"]["sinks"][f"--jsonl {tmp_path / 'out-rear.jsonl'}"]["written"]
    assert written == 5
    assert "sinks" not in data
    for word in ("camera", "front", "rear", "drive-7", "p99 ms", "returns"):
        assert word in result.stdout


def test_lines_of_several_cameras_share_standard_output(
    tiny_bundle_path: Path, tiny_video: Path
) -> None:
    process = subprocess.run(
        [
            *(sys.executable, "-c", MAIN, "run", str(tiny_bundle_path), "--engine", "onnxruntime"),
            *("-s", f"{tiny_video}#name=front", "-s", str(tiny_video), "--jsonl", "-"),
        ],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    frames = defaultdict(list)
    for line in process.stdout.splitlines():
        scene = json.loads(line)
        frames[scene["camera"]].append(scene["frame"])
    assert frames == {"front": list(range(30)), "tiny": list(range(30))}


def test_a_camera_that_dies_is_told_and_the_others_end_in_peace(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    figures = tmp_path / "out.json"
    dead = "rtsp://me:hidden@127.0.0.1:1/camera#give_up=0,name=rear"
    process = subprocess.run(
        [
            *(sys.executable, "-c", MAIN, "run", str(tiny_bundle_path), "--engine", "onnxruntime"),
            *("-s", dead, "-s", f"{tiny_video}#name=front", "--jsonl", str(tmp_path / "o.jsonl")),
            *("--json", str(figures)),
        ],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert "hidden" not in process.stdout + process.stderr
    assert process.stderr.count("camera rear is lost") == 1
    assert "rear (lost)" in process.stdout
    data = json.loads(figures.read_text())["cameras"]
    assert "cannot be opened" in data["rear"]["failure"]
    assert (data["rear"]["frames"], data["front"]["frames"]) == (0, 30)
    assert data["front"]["failure"] is None
    assert len((tmp_path / "o-front.jsonl").read_text().splitlines()) == 30


def test_a_sink_that_fails_for_one_camera_leaves_the_other(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no full device to write to")
    (tmp_path / "o-front.jsonl").symlink_to("/dev/full")
    sources = ("-s", f"{tiny_video}#name=front", "-s", f"{tiny_video}#name=rear")
    result = run(tiny_bundle_path, *sources, "--jsonl", tmp_path / "o.jsonl")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert f"--jsonl {tmp_path / 'o-front.jsonl'} stopped after 0 scenes" in result.stderr
    assert "front: --jsonl" in result.stdout
    assert "0 frames written, 30 dropped" in " ".join(result.stdout.split())
    assert len((tmp_path / "o-rear.jsonl").read_text().splitlines()) == 30


def test_several_live_cameras_stop_at_a_signal_with_whole_files(
    tiny_bundle_path: Path, tmp_path: Path
) -> None:
    arguments = ["run", tiny_bundle_path, "--engine", "onnxruntime", "--rate", "30"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", MAIN, *map(str, arguments)),
            *("-s", "rendered#width=96,height=64,name=a", "-s", "rendered#width=90,height=64"),
            *("--jsonl", tmp_path / "o.jsonl"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    files = [tmp_path / f"o-{name}.jsonl" for name in ("a", "rendered")]
    deadline = time.monotonic() + 30
    while not all(path.exists() and path.read_bytes().count(b"\n") >= 5 for path in files):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no frame came through"
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in stderr) == (0, False), stderr
    assert "frames/s" in stdout
    for path in files:
        frames = [json.loads(line)["frame"] for line in path.read_text().splitlines()]
        assert frames == sorted(set(frames))


def test_boxes_are_numbered_camera_by_camera(tiny_bundle_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("trackers", reason="the extra track is not installed")
    clip = folder(tmp_path / "clip", 1, (64, 96), 1)
    for index in range(1, 5):
        (clip / f"{index}.png").write_bytes((clip / "0.png").read_bytes())
    lines = tmp_path / "o.jsonl"
    sources = ("-s", f"{clip}#name=a", "-s", f"{clip}#name=b")
    assert run(tiny_bundle_path, *sources, "--track", "--jsonl", lines).exit_code == 0
    of_a, of_b = (lines_of(tmp_path / f"o-{name}.jsonl") for name in "ab")
    assert [each["detections"] for each in of_a] == [each["detections"] for each in of_b]
    assert any(box.get("track") is not None for box in of_a[-1]["detections"]["detection"])


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["--show"], 2, "--show is for one source; --web HOST:PORT shows several"),
        (["-s", "rendered#name=rendered"], 2, "two sources are called 'rendered'"),
        (["-s", "none.mp4"], 1, "none.mp4: no such file or folder"),
        (["--rate", "5", "-s", "0"], 1, "/dev/video0"),
    ],
)
def test_what_several_sources_cannot_have_is_one_line(
    tiny_bundle_path: Path, arguments: list[str], exit_code: int, words: str
) -> None:
    sources = ("-s", "rendered#name=rendered", "-s", "rendered#seed=2")
    result = run(tiny_bundle_path, *sources, *arguments)
    assert result.exit_code == exit_code
    assert result.stderr.startswith("edge-mtl: error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert not [each for each in threading.enumerate() if each.name.startswith("camera ")]
