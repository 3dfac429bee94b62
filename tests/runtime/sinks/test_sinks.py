"""Files that others can read: whole lines, playable videos, and clear words where neither goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sinks.json_lines import JsonLinesSink
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

import cv2

from edge_mtl.runtime.draw import Annotator
from edge_mtl.runtime.sinks import video
from edge_mtl.runtime.sinks.video import VideoSink
from edge_mtl.runtime.sinks.window import WindowSink

MakeFrame = Callable[..., Frame]
MakeScene = Callable[[Frame], Scene]


def video_frames(path: Path) -> list[tuple[int, ...]]:
    capture = cv2.VideoCapture(str(path))
    shapes = []
    while True:
        there, image = capture.read()
        if not there:
            return shapes
        shapes.append(image.shape)


def test_a_line_is_there_as_soon_as_it_was_written(
    tmp_path: Path, frame: MakeFrame, scene: MakeScene
) -> None:
    path = tmp_path / "new" / "scenes.jsonl"
    sink = JsonLinesSink(str(path), "front")
    for index in range(3):
        sink.write(scene(frame(index)), frame(index))
        lines = path.read_text().splitlines(keepends=True)
        assert len(lines) == index + 1
        assert lines[-1].endswith("\n")
        assert json.loads(lines[-1]) == {
            "version": 1,
            "camera": "front",
            "frame": index,
            "captured_ns": 0,
            "width": 96,
            "height": 64,
            "detections": {"detection": [{"class": "car", "score": 0.75, "box": [1, 2, 30, 40]}]},
            "masks": {"classes": {"Road": 1.0}},
            "poses": {"pose": [{"detection": 0, "keypoints": {"head": [5.25, -1, 0.5]}}]},
            "classifications": {"time": {"day": 0.75, "night": 0.25}},
            "stages_ms": {},
        }
    sink.close()


def test_lines_on_standard_output(
    capfdbinary: pytest.CaptureFixture[bytes], frame: MakeFrame, scene: MakeScene
) -> None:
    sink = JsonLinesSink("-", "front")
    sink.write(scene(frame(4)), frame(4))
    sink.close()
    assert json.loads(capfdbinary.readouterr().out)["frame"] == 4
    print("still open")


def test_json_lines_that_cannot_be_written(
    tmp_path: Path, frame: MakeFrame, scene: MakeScene
) -> None:
    with pytest.raises(EdgeMtlError, match="Is a directory; choose another place"):
        JsonLinesSink(str(tmp_path), "front")
    if not Path("/dev/full").exists():
        pytest.skip("this system has no full device to write to")
    sink = JsonLinesSink("/dev/full", "front")
    with pytest.raises(EdgeMtlError, match="failed after frame 7: No space left"):
        sink.write(scene(frame(7)), frame(7))
    sink.close()


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".mov"])
@pytest.mark.parametrize("size", [(96, 64), (97, 63)])
def test_a_closed_video_is_playable(
    tmp_path: Path, suffix: str, size: tuple[int, int], frame: MakeFrame, scene: MakeScene
) -> None:
    path = tmp_path / "new" / f"out{suffix}"
    sink = VideoSink(path, 25.0, live=False, annotate=Annotator())
    for index in range(5):
        sink.write(scene(frame(index, size)), frame(index, size))
    sink.close()
    shapes = video_frames(path)
    assert len(shapes) == 5
    # MPEG-4 may round an odd side down to an even one.
    assert abs(shapes[0][0] - size[1]) <= 1
    assert abs(shapes[0][1] - size[0]) <= 1


def test_the_video_keeps_its_size_when_frames_change_theirs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, frame: MakeFrame, scene: MakeScene
) -> None:
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, 25.0, live=False, annotate=Annotator())
    for index, size in enumerate([(96, 64), (200, 100), (32, 32), (96, 64)]):
        sink.write(scene(frame(index, size)), frame(index, size))
    sink.close()
    assert video_frames(path) == [(64, 96, 3)] * 4
    assert caplog.text.count("the video keeps its size") == 1
    assert "from 96x64 to 200x100 at frame 1" in caplog.text


def test_the_video_of_a_live_source_keeps_time(
    tmp_path: Path, frame: MakeFrame, scene: MakeScene
) -> None:
    """At 10 frames/s: frames at 0, 0.1, 0.5 s (three were dropped) and two at once."""
    path = tmp_path / "out.mp4"
    sink = VideoSink(path, 10.0, live=True, annotate=Annotator())
    for index, at_ms in enumerate([0, 100, 500, 500, 600]):
        live = frame(index, captured_ns=7_000_000_000 + at_ms * 1_000_000)
        sink.write(scene(live), live)
    sink.close()
    assert len(video_frames(path)) == 7


def test_no_frame_leaves_no_file_and_spoils_none(tmp_path: Path) -> None:
    new, old = tmp_path / "new.mp4", tmp_path / "old.mp4"
    old.write_bytes(b"precious")
    for path in (new, old):
        VideoSink(path, 25.0, live=False, annotate=Annotator()).close()
    assert not new.exists()
    assert old.read_bytes() == b"precious"


def test_videos_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.mp4, .*, found '\.gif'"):
        VideoSink(tmp_path / "out.gif", 25.0, live=False, annotate=Annotator())
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeMtlError, match="expected a file that can be written"):
        VideoSink(tmp_path / "file" / "out.mp4", 25.0, live=False, annotate=Annotator())
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(EdgeMtlError, match="Is a directory"):
        VideoSink(tmp_path / "out.mp4", 25.0, live=False, annotate=Annotator())


def test_a_window_needs_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(EdgeMtlError, match=r"needs a display.*--save out\.mp4"):
        WindowSink("title", Annotator())


def test_on_a_jetson_its_encoder_is_asked_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Here there is none, so that what was asked for is seen, and that the CPU takes over."""
    asked = []
    real = cv2.VideoWriter

    def writer(target: str, *arguments: object) -> cv2.VideoWriter:
        asked.append(target)
        return real(target, *arguments)

    writer.fourcc = real.fourcc  # type: ignore[attr-defined]
    monkeypatch.setattr(cv2, "VideoWriter", writer)
    monkeypatch.setattr(video, "_TEGRA", tmp_path)
    monkeypatch.setattr(video, "_opencv_has_gstreamer", lambda: True)
    path = tmp_path / 'a "b".mkv'
    opened = video.open_writer(path, 25.0, (96, 64))
    assert opened.isOpened()
    opened.release()
    hardware, software = asked
    assert "nvv4l2h264enc" in hardware
    assert hardware.endswith(f'matroskamux ! filesink location="{tmp_path}/a \\"b\\".mkv"')
    assert software == str(path)
    assert "the CPU encodes" in caplog.text
