"""`edge-mtl run` as a process that is stopped, suspended, or left by those who read it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

import numpy as np

CountFrames = Callable[[Path], int]
MAIN = "from edge_mtl.cli import main; main()"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_whole_files(
    tiny_bundle_path: Path,
    long_video: Path,
    tmp_path: Path,
    number: signal.Signals,
    count_frames: CountFrames,
) -> None:
    save, lines = tmp_path / "o.mp4", tmp_path / "o.jsonl"
    arguments = ["run", tiny_bundle_path, "--engine", "onnxruntime", "--source", long_video]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, arguments), "--save", save, "--jsonl", lines],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (lines.exists() and lines.read_bytes().count(b"\n") >= 5):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no frame came through"
        time.sleep(0.01)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert "frames/s" in stdout
    text = lines.read_text()
    assert text.endswith("}\n")
    frames = [json.loads(line)["frame"] for line in text.splitlines()]
    assert frames == list(range(len(frames)))
    assert 5 <= len(frames) < count_frames(long_video)
    assert count_frames(save) == len(frames)


def test_a_reader_that_leaves_ends_it_quietly(
    tiny_bundle_path: Path, long_video: Path, tmp_path: Path, count_frames: CountFrames
) -> None:
    save = tmp_path / "o.mp4"
    arguments = ["run", tiny_bundle_path, "--source", long_video, "--engine", "onnxruntime"]
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, arguments), "--jsonl", "-", "--save", save],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert json.loads(process.stdout.readline())["frame"] == 0
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait(30) == 141
    assert stderr == b""
    assert count_frames(save) > 0


def test_a_reader_that_is_stuck_keeps_no_stopped_run(
    tiny_bundle_path: Path, long_video: Path
) -> None:
    """Nobody reads the pipe: it fills, and the stream waits for it."""
    impatient = f"from edge_mtl.runtime.sinks import behind; behind._FAREWELL_S = 0.5; {MAIN}"
    arguments = ["run", tiny_bundle_path, "--engine", "onnxruntime", "--source", long_video]
    process = subprocess.Popen(
        [sys.executable, "-c", impatient, *map(str, arguments), "--jsonl", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.read(1)  # it has begun, and nobody reads on
    time.sleep(1)
    assert process.poll() is None
    sent_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 1
    assert time.monotonic() - sent_s < 10
    assert process.stderr is not None
    assert "--jsonl - stopped after" in (log := process.stderr.read())
    assert "it is stuck" in log
    assert "Traceback" not in log
    for pipe in (process.stdout, process.stderr):
        pipe.close()


def test_a_run_that_was_suspended_goes_on(tiny_bundle_path: Path, tmp_path: Path) -> None:
    """For longer than a pipeline may take: the watchdog knows that it is not the pipeline's."""
    strict = f"from edge_mtl.runtime import lanes; lanes.HUNG_S = 1.0; {MAIN}"
    lines = tmp_path / "o.jsonl"
    arguments = f"--source rendered --rate 25 --engine onnxruntime --jsonl {lines}".split()
    process = subprocess.Popen(
        [sys.executable, "-c", strict, "run", tiny_bundle_path, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def wait_for(scenes: int) -> None:
        deadline = time.monotonic() + 30
        while not (lines.exists() and lines.read_bytes().count(b"\n") >= scenes):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "no frame came through"
            time.sleep(0.01)

    wait_for(5)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    stood = lines.read_bytes().count(b"\n")
    process.send_signal(signal.SIGCONT)
    wait_for(stood + 10)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    scenes = [json.loads(line) for line in lines.read_text().splitlines()]
    steps_s = np.diff([scene["captured_ns"] for scene in scenes]) / 1e9
    assert np.count_nonzero(steps_s > 2) == 1, "what it slept through is gone, not made up for"
