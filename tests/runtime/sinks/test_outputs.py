"""All sinks of a stream: the table, a disk that is really full, and what is left to run for."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import Setting, StreamEnded
from edge_mtl.runtime.sinks.behind import Behind
from edge_mtl.runtime.sinks.outputs import Outputs
from edge_mtl.runtime.sinks.segments import Cut
from edge_mtl.runtime.sources import Frame, open_source
from edge_mtl.scene import Scene

MakeFrame = Callable[..., Frame]
MakeScene = Callable[[Frame], Scene]


@pytest.fixture
def setting() -> Setting:
    return Setting(open_source("rendered:frames=3"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def write_many(outputs: Outputs, frame: MakeFrame, scene: MakeScene, count: int) -> None:
    for index in range(count):
        outputs.write(scene(frame(index)), frame(index))


def noise(index: int) -> Frame:
    rng = np.random.default_rng(index)
    return Frame(rng.integers(0, 256, (360, 640, 3), np.uint8), index, index)


def lines_of(path: Path) -> list[int]:
    text = path.read_text()
    assert text.endswith("}\n")
    return [json.loads(line)["frame"] for line in text.splitlines()]


def test_a_full_disk_stops_the_sinks_on_it_and_no_other(
    small_disk: Path,
    tmp_path: Path,
    setting: Setting,
    scene: MakeScene,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
    (small_disk / "filler").write_bytes(bytes(3 * 2**20))
    video, lines = small_disk / "o.mp4", tmp_path / "o.jsonl"
    outputs = Outputs.open({"save": str(video), "jsonl": str(lines)}, setting)
    for index in range(60):
        each = noise(index)
        outputs.write(scene(each), each)
    outputs.close()
    assert lines_of(lines) == list(range(60))
    of_video, of_lines = outputs.report().values()
    assert (of_lines.written, of_lines.dropped, of_lines.failure) == (60, 0, None)
    assert of_video.failure is not None
    assert "MB free on its disk" in of_video.failure
    assert of_video.written + of_video.dropped == 60
    assert caplog.text.count("stopped after") == 1
    capture = cv2.VideoCapture(str(video))
    readable = 0
    while capture.read()[0]:
        readable += 1
    assert readable == of_video.written > 0


def test_lines_on_a_full_disk_stay_whole(
    small_disk: Path, setting: Setting, frame: MakeFrame, scene: MakeScene
) -> None:
    (small_disk / "filler").write_bytes(bytes(12 * 2**20 - 64 * 2**10))
    path = small_disk / "o.jsonl"
    outputs = Outputs.open({"jsonl": str(path)}, setting)
    with pytest.raises(EdgeMtlError, match=r"no output is left to run for: .*No space left"):
        write_many(outputs, frame, scene, 10_000)
    outputs.close()
    [report] = outputs.report().values()
    assert lines_of(path) == list(range(report.written))


def test_segments_go_on_where_the_disk_is_full(
    small_disk: Path, setting: Setting, frame: MakeFrame, scene: MakeScene
) -> None:
    (small_disk / "filler").write_bytes(bytes(12 * 2**20 - 64 * 2**10))
    path = small_disk / "o.jsonl"
    outputs = Outputs.open({"jsonl": str(path)}, setting, Cut(10_000, keep=1000))
    write_many(outputs, frame, scene, 500)
    outputs.close()
    [report] = outputs.report().values()
    assert (report.written, report.failure) == (500, None)
    there = sorted(small_disk.glob("o-*.jsonl"))
    kept = [index for each in there for index in lines_of(each)]
    assert kept == list(range(500 - len(kept), 500))
    assert 50 < len(kept) < 500


def test_a_viewer_that_leaves_ends_it(frame: MakeFrame, scene: MakeScene) -> None:
    class Left:
        def write(self, scene: Scene, frame: Frame) -> None:
            raise StreamEnded

        def close(self) -> None:
            pass

    outputs = Outputs([Behind("view", Left(), depth=1, waits=True)])
    with pytest.raises(StreamEnded):
        write_many(outputs, frame, scene, 1000)
    outputs.close()


def test_what_was_opened_is_closed_where_the_next_cannot(tmp_path: Path, setting: Setting) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(EdgeMtlError, match="Is a directory"):
        Outputs.open({"save": str(tmp_path / "o.mp4"), "jsonl": str(tmp_path / "folder")}, setting)
    assert not (tmp_path / "o.mp4").exists()


def test_scenes_are_changed_and_counted_before_they_are_handed_on(
    tmp_path: Path, setting: Setting, frame: MakeFrame, scene: MakeScene
) -> None:
    def number(seen: Scene) -> Scene:
        [found] = seen.detections.values()
        track_ids = np.array([5], np.int32)
        numbered = msgspec.structs.replace(found, track_ids=track_ids)
        return msgspec.structs.replace(
            seen, detections={"detection": numbered}, stages_ms={"track": 2.0}
        )

    path = tmp_path / "o.jsonl"
    outputs = Outputs.open({"jsonl": str(path)}, setting, change=number)
    write_many(outputs, frame, scene, 3)
    outputs.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["detections"]["detection"][0]["track"] for line in lines] == [5, 5, 5]
    vitals = setting.vitals
    assert (vitals.frames, vitals.stages["track"].total_ms) == (3, 6.0)
    assert [each["written"] for each in vitals.to_json()["sinks"]] == [3]
