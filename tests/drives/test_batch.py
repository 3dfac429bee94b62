"""`edge-mtl batch` on a Ray of two workers: as it should be, killed, interrupted and refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edge_mtl.cli import app

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
pytest.importorskip("ray", reason="the extra batch is not installed")

import ray

from edge_mtl.bundle import Bundle
from edge_mtl.drives import batch
from edge_mtl.drives.clip_run import ClipOutcome, run_clip
from edge_mtl.drives.clips import find_clips
from edge_mtl.drives.place import Place
from edge_mtl.drives.result_folder import BatchRecord, ResultFolder
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import Pipeline

MakeDrive = Callable[[Path, int], None]
MAIN = "from edge_mtl.cli import main; main()"
PATIENCE_S = 120.0


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Short, for a socket in it has a name of at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The workers' temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def start(
    tiny_bundle_path: Path, ray_folder: Path, temporary: Path, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts the command on the drives of the test, with the figures on standard output."""
    started = []

    def call() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", MAIN, "batch", str(tiny_bundle_path)),
                *("--sources", str(tmp_path / "drives"), "--out", str(tmp_path / "out")),
                *("--engine", "onnxruntime", "--workers", "2", "--json", "-"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "RAY_TMPDIR": str(ray_folder),
                "TMPDIR": str(temporary),
            },
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """What a function gives once that is something, while the command runs."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := what()):
        if process.poll() is not None:
            pytest.fail(f"the command ended: {process.communicate()}")
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)
    return found


def worker_in_the_middle(temporary: Path) -> int | None:
    """The number of a process that has written some of a clip's scenes."""
    for lines in temporary.glob("edge-mtl-batch-*/scenes.jsonl"):
        if lines.read_bytes().count(b"\n") > 20:
            return int(lines.parent.name.split("-")[3])
    return None


def undisturbed(bundle: Bundle, drives: Path, out: Path) -> Path:
    """The results of the same clips without Ray."""
    results = ResultFolder(str(out))
    with (
        results.claimed(BatchRecord.of(bundle, "tiny", "onnxruntime", "frame")),
        Pipeline.from_bundle(bundle, "onnxruntime", threads=1) as pipeline,
    ):
        for clip in find_clips(str(drives)):
            assert run_clip(pipeline, clip, results).failure == ""
    return out / "scenes"


def assert_the_same(
    found: Path, expected: Path, what_was_seen: Callable[[Path], list[dict[str, Any]]]
) -> None:
    names = sorted(path.name for path in expected.iterdir())
    assert sorted(path.name for path in found.iterdir()) == names
    for name in names:
        assert what_was_seen(found / name) == what_was_seen(expected / name)


@pytest.mark.slow
def test_two_workers_share_the_clips_and_list_what_failed(
    start: Callable[[], subprocess.Popen[str]],
    make_drive: MakeDrive,
    tiny_bundle_path: Path,
    temporary: Path,
    tmp_path: Path,
) -> None:
    for name in ("a/front.avi", "b/front.avi", "b/rear.avi"):
        make_drive(tmp_path / "drives" / name, 20)
    (tmp_path / "drives" / "broken.mp4").write_bytes(b"no video")
    command = start()
    output, errors = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 1, errors
    figures = json.loads(output)
    assert figures["clips"] == {"found": 4, "already": 0, "done": 3, "failed": 1}
    assert figures["frames"] == sum(each["frames"] for each in figures["workers"].values()) == 60
    assert figures["fps"] > 0
    assert figures["video_hours"] == pytest.approx(60 / 25 / 3600, rel=0.01)
    [failure] = figures["failures"]
    assert failure["clip"] == str(tmp_path / "drives" / "broken.mp4")
    out = tmp_path / "out"
    assert json.loads((out / "failures.jsonl").read_text("utf-8")) == failure
    assert len(list((out / "scenes").iterdir())) == 3
    # What Ray has to say of itself is not among it.
    said = [line for line in errors.splitlines() if line.startswith("edge-mtl: ")]
    assert said[0] == "edge-mtl: 4 clips, 4 to do, 2 workers"
    assert said[-1].startswith("edge-mtl: error: 1 of 4 clips failed, listed in ")
    for word in ("Ray", "ray", "INFO", "Traceback"):
        assert word not in errors
    assert list(temporary.glob("edge-mtl-batch-*")) == []

    # Nothing is left to do: Ray is not started.
    arguments = ("batch", tiny_bundle_path, "-s", tmp_path / "drives/b", "-o", out)
    again = CliRunner().invoke(app, [*map(str, arguments), "--engine", "onnxruntime"])
    assert again.exit_code == 0, again.output
    assert "2 clips: 0 done, 2 already there, 0 failed" in again.output
    assert json.loads((out / "failures.jsonl").read_text("utf-8")) == failure


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_clip_and_doubles_none(
    start: Callable[[], subprocess.Popen[str]],
    make_drive: MakeDrive,
    what_was_seen: Callable[[Path], list[dict[str, Any]]],
    tiny_bundle: Bundle,
    temporary: Path,
    tmp_path: Path,
) -> None:
    frames = [250 + 10 * number for number in range(6)]
    for number, count in enumerate(frames):
        make_drive(tmp_path / "drives" / f"{number}" / "front.avi", count)
    command = start()
    killed = wait_for(lambda: worker_in_the_middle(temporary), command)
    os.kill(killed, signal.SIGKILL)
    output, errors = command.communicate(timeout=PATIENCE_S)
    assert command.returncode == 0, errors
    figures = json.loads(output)
    assert figures["clips"] == {"found": 6, "already": 0, "done": 6, "failed": 0}
    assert figures["frames"] == sum(frames)
    assert len(figures["workers"]) >= 2
    out = tmp_path / "out"
    expected = undisturbed(tiny_bundle, tmp_path / "drives", tmp_path / "expected")
    assert_the_same(out / "scenes", expected, what_was_seen)
    assert [*(out / ".parts").iterdir(), *(out / ".tries").iterdir()] == []
    assert list(temporary.glob("edge-mtl-batch-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_batch_that_ends_early_goes_on_with_what_is_left(
    number: signal.Signals,
    start: Callable[[], subprocess.Popen[str]],
    make_drive: MakeDrive,
    what_was_seen: Callable[[Path], list[dict[str, Any]]],
    tiny_bundle: Bundle,
    temporary: Path,
    tmp_path: Path,
) -> None:
    make_drive(tmp_path / "drives" / "0.avi", 50)
    for name in "123":
        make_drive(tmp_path / "drives" / f"{name}.avi", 300)
    scenes = tmp_path / "out" / "scenes"
    first = start()
    wait_for(
        lambda: scenes.exists() and list(scenes.iterdir()) and worker_in_the_middle(temporary),
        first,
    )
    first.send_signal(number)
    _, errors = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == (130 if number == signal.SIGINT else -number), errors
    assert "Traceback" not in errors
    whole = {path.name: path.stat().st_mtime_ns for path in scenes.iterdir()}
    assert 0 < len(whole) < 4

    second = start()
    output, errors = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0, errors
    figures = json.loads(output)
    clips = figures["clips"]
    assert (clips["found"], clips["failed"], clips["already"] + clips["done"]) == (4, 0, 4)
    assert clips["already"] >= len(whole)
    assert {name: (scenes / name).stat().st_mtime_ns for name in whole} == whole
    expected = undisturbed(tiny_bundle, tmp_path / "drives", tmp_path / "expected")
    assert_the_same(scenes, expected, what_was_seen)
    assert list(temporary.glob("edge-mtl-batch-*")) == []


def job_of(bundle: Bundle, out: Path, engine: str = "onnxruntime", threads: int = 1) -> batch.Job:
    return batch.Job(bundle, engine, "frame", threads, str(out))


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> list[ClipOutcome | BaseException]:
    """What comes of the clips, in place of workers."""
    coming: list[ClipOutcome | BaseException] = []

    def outcomes(*_: object) -> Iterator[ClipOutcome]:
        for each in coming:
            if isinstance(each, BaseException):
                raise each
            yield each

    monkeypatch.setattr(batch, "_outcomes", outcomes)
    monkeypatch.setattr(batch, "_ray", lambda *_: nullcontext())
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 8.0})
    return coming


def test_failures_are_listed_even_when_it_ends_early(
    without_ray: list[ClipOutcome | BaseException], tiny_bundle: Bundle, tmp_path: Path
) -> None:
    clips = [Place("", f"/drives/{name}.mp4") for name in "abc"]
    failed = ClipOutcome(clips[0].name, "host:1", "damaged")
    without_ray += [failed, ClipOutcome(clips[1].name, "host:2", frames=3), KeyboardInterrupt()]
    told: list[ClipOutcome] = []
    with pytest.raises(KeyboardInterrupt):
        batch.run_batch(job_of(tiny_bundle, tmp_path), "tiny", clips, on_outcome=told.append)
    assert told == without_ray[:2]
    listed = (tmp_path / "failures.jsonl").read_text("utf-8")
    assert json.loads(listed) == {"clip": "/drives/a.mp4", "reason": "damaged"}


def test_a_worker_that_cannot_run_the_bundle_ends_the_batch(
    without_ray: list[ClipOutcome | BaseException], tiny_bundle: Bundle, tmp_path: Path
) -> None:
    clip = Place("", "/drives/a.mp4")
    without_ray.append(ClipOutcome(clip.name, "host:1", "no engine here", blocked=True))
    with pytest.raises(EdgeMtlError, match=r"^host:1: no engine here$"):
        batch.run_batch(job_of(tiny_bundle, tmp_path), "tiny", [clip])


@pytest.mark.parametrize(
    ("there", "engine", "threads", "wanted", "count"),
    [
        ({"CPU": 8.0}, "auto", 1, None, 5),
        ({"CPU": 8.0}, "auto", 2, None, 4),
        ({"CPU": 8.0}, "auto", 2, 3, 3),
        ({"CPU": 8.0, "GPU": 2.0}, "tensorrt", 2, None, 2),
        ({"CPU": 8.0, "GPU": 2.0}, "openvino", 2, 9, 4),
    ],
)
def test_workers_are_as_many_as_there_is_room_for(
    there: dict[str, float],
    engine: str,
    threads: int,
    wanted: int | None,
    count: int,
    tiny_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: there)
    job = job_of(tiny_bundle, tmp_path, engine, threads)
    assert batch._count_workers(job, wanted, 5) == count


@pytest.mark.parametrize(
    ("there", "engine", "message"),
    [
        ({"CPU": 1.0}, "auto", "a worker needs 2 processors; Ray has 1 processors and 0 GPUs"),
        ({"CPU": 8.0}, "tensorrt-rtx", "needs 2 processors and a GPU; Ray has 8 processors and 0"),
    ],
)
def test_a_ray_without_room_for_a_worker_is_refused(
    there: dict[str, float],
    engine: str,
    message: str,
    tiny_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: there)
    with pytest.raises(EdgeMtlError, match=message):
        batch._count_workers(job_of(tiny_bundle, tmp_path, engine, 2), None, 5)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_a_cluster_that_does_not_answer_is_one_line(
    address: str, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    clip = Place("", "/drives/a.mp4")
    job = job_of(tiny_bundle, tmp_path)
    with pytest.raises(EdgeMtlError, match=f"^no Ray cluster at {address}: .*ray start --head"):
        batch.run_batch(job, "tiny", [clip], address=address)


def test_what_is_wrong_is_said_before_ray_starts(
    tiny_bundle_path: Path, tiny_video: Path, tmp_path: Path
) -> None:
    def called(*arguments: str | Path) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["batch", *map(str, arguments)])
        return result.exit_code, result.stderr.splitlines()[-1]

    out = ("-o", tmp_path / "out")
    code, error = called(tiny_bundle_path, "-s", tmp_path, *out)
    assert (code, "expected clips, found none" in error) == (1, True)
    code, error = called(tiny_bundle_path, "-s", tiny_video, *out, "--engine", "openvin")
    assert (code, "did you mean 'openvino'" in error) == (2, True)
    code, error = called(tiny_bundle_path, "-s", "ftp://host/drives", *out)
    assert (code, "an address that pyarrow.fs opens" in error) == (2, True)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    code, error = called(tiny_bundle_path, "-s", tiny_video, *out)
    assert (code, "found thesis.tex and no batch.json" in error) == (1, True)
