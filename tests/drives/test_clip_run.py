"""A clip through a pipeline: a whole result, or none and the reason."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
pytest.importorskip("pyarrow", reason="the extra batch is not installed")

import cv2
import numpy as np

from edge_mtl.bundle import Bundle
from edge_mtl.drives.clip_run import ClipOutcome, run_clip
from edge_mtl.drives.place import Place
from edge_mtl.drives.result_folder import (
    MOST_TRIES,
    BatchRecord,
    ResultFolder,
    result_name,
)
from edge_mtl.drives.scratch import scratch
from edge_mtl.runtime.pipeline import Pipeline

MakeDrive = Callable[[Path, int], None]


@pytest.fixture(scope="module")
def pipeline(tiny_bundle: Bundle) -> Iterator[Pipeline]:
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime", threads=1) as opened:
        yield opened


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, to see that none stay."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def results(tiny_bundle: Bundle, tmp_path: Path) -> Iterator[ResultFolder]:
    folder = ResultFolder(str(tmp_path / "out"))
    with folder.claimed(BatchRecord.of(tiny_bundle, "tiny", "onnxruntime", "frame")):
        yield folder


def result_of(clip: Place, results: ResultFolder) -> Path:
    return Path(results.place.key) / "scenes" / result_name(clip)


def assert_failed(outcome: ClipOutcome, results: ResultFolder, temporary: Path) -> None:
    out = Path(results.place.key)
    assert outcome.failure
    assert results.whole() == set()
    assert [*(out / ".parts").iterdir(), *(out / ".tries").iterdir()] == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_clip_goes_in_and_its_scenes_come_out(
    prefix: str,
    pipeline: Pipeline,
    results: ResultFolder,
    make_drive: MakeDrive,
    temporary: Path,
    tmp_path: Path,
) -> None:
    make_drive(tmp_path / "front.avi", 30)
    clip = Place.parse(f"{prefix}{tmp_path}/front.avi")
    outcome = run_clip(pipeline, clip, results)
    assert (outcome.failure, outcome.frames, outcome.skipped) == ("", 30, 0)
    assert outcome.video_s == pytest.approx(1.2)
    assert outcome.worker.endswith(f":{os.getpid()}")
    lines = result_of(clip, results).read_text("utf-8").splitlines()
    assert len(lines) == 30
    assert f'"camera":"{clip.name}"' in lines[0]
    assert list((Path(results.place.key) / ".tries").iterdir()) == []
    assert list(temporary.iterdir()) == []
    again = run_clip(pipeline, clip, results)
    assert (again.failure, again.frames, again.busy_s) == ("", 0, 0.0)
    assert result_of(clip, results).read_text("utf-8").splitlines() == lines


def test_a_folder_of_images_is_a_clip(
    pipeline: Pipeline, results: ResultFolder, tmp_path: Path
) -> None:
    (tmp_path / "stills").mkdir()
    for index in range(3):
        cv2.imwrite(str(tmp_path / "stills" / f"{index}.png"), np.zeros((64, 96, 3), np.uint8))
    (tmp_path / "stills" / "3.png").write_bytes(b"no image")
    outcome = run_clip(pipeline, Place.parse(str(tmp_path / "stills")), results)
    assert (outcome.failure, outcome.frames, outcome.skipped) == ("", 3, 1)


def test_clips_that_cannot_be_read_fail(
    pipeline: Pipeline,
    results: ResultFolder,
    make_drive: MakeDrive,
    temporary: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video" * 100, encoding="utf-8")
    make_drive(tmp_path / "whole.avi", 100)
    whole = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "truncated.avi").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "nothing").mkdir()
    for name, reason in (
        ("gone.mp4", "no such video or folder"),
        ("empty.mp4", "expected a video .* found a file that it cannot open"),
        ("text.mp4", "expected a video .* found a file that it cannot open"),
        ("truncated.avi", r"ended after \d+ of the 100 frames that it announces"),
        ("nothing", "expected images in this folder, found 0 files"),
    ):
        outcome = run_clip(pipeline, Place.parse(str(tmp_path / name)), results)
        assert_failed(outcome, results, temporary)
        assert not outcome.failure.startswith("/")
        assert re.match(reason, outcome.failure), outcome.failure


def test_a_pipeline_that_breaks_at_a_clip_is_a_failure_of_the_clip(
    results: ResultFolder, make_drive: MakeDrive, temporary: Path, tmp_path: Path
) -> None:
    def broken(_: object) -> None:
        raise ArithmeticError("not a number\nanywhere")

    pipeline = SimpleNamespace(most_frames=1, batch=broken)
    make_drive(tmp_path / "front.avi", 3)
    clip = Place.parse(str(tmp_path / "front.avi"))
    outcome = run_clip(pipeline, clip, results)  # type: ignore[arg-type]
    assert_failed(outcome, results, temporary)
    assert outcome.failure == "not a number"


def test_a_clip_that_kills_workers_fails_in_the_end(
    results: ResultFolder, make_drive: MakeDrive, tmp_path: Path, temporary: Path
) -> None:
    make_drive(tmp_path / "front.avi", 3)
    clip = Place.parse(str(tmp_path / "front.avi"))

    def fatal(_: object) -> None:
        os._exit(9)

    pipeline = SimpleNamespace(most_frames=1, batch=fatal)
    for tries in range(1, MOST_TRIES + 1):
        pid = os.fork()
        if pid == 0:
            run_clip(pipeline, clip, results)  # type: ignore[arg-type]
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 9 << 8
        assert len(list((tmp_path / "out" / ".tries").iterdir())) == tries
    outcome = run_clip(pipeline, clip, results)  # type: ignore[arg-type]
    assert f"{MOST_TRIES} workers died at it" in outcome.failure
    with scratch() as folder:  # what the dead had is gone
        assert list(temporary.iterdir()) == [folder]


def test_temporary_files_of_the_dead_go_and_of_the_living_stay(temporary: Path) -> None:
    code = (
        "import sys, time; from edge_mtl.drives.scratch import scratch\n"
        "with scratch() as folder: print(folder, flush=True); sys.stdin.read()"
    )
    start = [sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        (theirs / "clip.mp4").touch()
        with scratch() as ours:
            assert set(temporary.iterdir()) == {theirs, ours}
        assert list(temporary.iterdir()) == [theirs]
        other.kill()
        other.wait()
    with scratch() as ours:
        assert list(temporary.iterdir()) == [ours]
