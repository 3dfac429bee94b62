"""What `--source` may name, and what is said where it names nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources import Source, open_source

cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")


def indices(source: Source) -> list[int]:
    found = []
    while (frame := source.read()) is not None:
        assert frame.image.dtype == np.uint8
        found.append(frame.index)
    source.close()
    return found


def write_image(path: Path, value: int = 0, size: tuple[int, int] = (32, 24)) -> None:
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), value, np.uint8))


def test_a_video_is_read_frame_by_frame(tiny_video: Path) -> None:
    source = open_source(str(tiny_video))
    assert (source.live, source.frames_per_second, source.length) == (False, 25.0, 30)
    means = []
    while (frame := source.read()) is not None:
        assert frame.image.shape == (64, 96, 3)
        assert frame.captured_ns > 0
        means.append(frame.image.mean())
    np.testing.assert_allclose(means, 4.0 * np.arange(30), atol=6)  # lossy
    assert source.health.dropped == 0


def test_a_truncated_video_gives_what_it_has_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # An .avi states its length at its start: half a file still has half of the frames.
    path = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (96, 64))
    for index in range(40):
        writer.write(np.full((64, 96, 3), index, np.uint8))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = open_source(str(path))
    found = len(indices(source))
    assert 0 < found < 40
    said = f"ended after {found} of the 40 frames that it announces"
    assert said in caplog.text
    assert source.health.reason.startswith(said)


def test_damaged_frames_of_a_video_are_dropped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "damaged.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (96, 64))
    noise = np.random.default_rng(0)
    for _ in range(40):
        writer.write(noise.integers(0, 256, (64, 96, 3), np.uint8))
    writer.release()
    data = path.read_bytes()
    starts = [match.start() for match in re.finditer(b"\xff\xd8\xff", data)]
    assert len(starts) == 40
    for index in (9, 10, 29):
        start = starts[index]
        data = data[:start] + b"x" * 400 + data[start + 400 :]
    path.write_bytes(data)
    source = open_source(str(path))
    assert indices(source) == [i for i in range(40) if i not in (9, 10, 29)]
    assert source.health.skipped == 3
    assert caplog.text.count("cannot be decoded") == 1
    assert "ended after" not in caplog.text


@pytest.mark.parametrize("data", [b"", b"no video" * 100, b"\0\0\0\x18ftypmp42" + b"\0" * 100])
def test_what_is_no_video(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with pytest.raises(EdgeMtlError, match=rf"clip\.mp4: expected a video .* \({len(data)} bytes"):
        open_source(str(path))


def test_no_such_file_names_a_near_one(tiny_video: Path) -> None:
    with pytest.raises(EdgeMtlError, match=r"no such file or folder, did you mean 'tiny\.mp4'\?"):
        open_source(str(tiny_video.with_name("tinny.mp4")))
    with pytest.raises(EdgeMtlError, match=r"expected rendered or .*; a video file") as caught:
        open_source("/no/such/place/at_all.mp4")
    assert caught.value.exit_code == 1


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1, 100):
        write_image(tmp_path / f"frame_{number}.png", number)
    write_image(tmp_path / "A.JPG", 200)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "inside").mkdir()
    source = open_source(str(tmp_path))
    assert source.length == 5
    values = []
    while (frame := source.read()) is not None:
        values.append(round(frame.image.mean()))
    assert values == [200, 1, 9, 10, 100]


def test_one_image_is_a_source(tmp_path: Path) -> None:
    # A numbered name, of which OpenCV would make a whole sequence.
    write_image(tmp_path / "img_001.png")
    write_image(tmp_path / "img_002.png")
    assert indices(open_source(str(tmp_path / "img_001.png"))) == [0]


def test_unreadable_images_are_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):
        write_image(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    (tmp_path / "3.png").write_bytes(b"")
    source = open_source(str(tmp_path))
    assert indices(source) == [0, 2]
    assert source.health.skipped == 2
    assert "1.png" in caplog.text
    assert "3.png" in caplog.text


def test_a_folder_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    source = open_source(str(tmp_path))
    with pytest.raises(EdgeMtlError, match="found 1 of which none can be read"):
        source.read()


def test_an_empty_folder_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(EdgeMtlError, match=r"found 0 files of which none ends in .*\.png"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rendred:seed=3", "no source is called 'rendred', did you mean 'rendered'"),
        ("rtps://me:secret@camera/1", r"^rtps://\*\*\*@camera/1: no .* did you mean 'rtsps'"),
        ("gopher://camera/1", "no source is called 'gopher'; expected"),
        ("gst:", "gst: expected a pipeline, as in"),
        ("csi:left", "csi:left: expected the number of a camera"),
        ("0#widht=640", "0: unknown key 'widht'; did you mean 'width'"),
        ("0#width=wide", "0: Expected `int"),
        ("0#width", "0: expected key=value with commas between behind the #"),
        ("rtsp://me:se#cret@camera/1", "^rtsp: expected key=value .* is written %23$"),
        (
            "rtsp://me:secret@camera/1#transport=tpc",
            r"^rtsp://\*\*\*@camera/1: Invalid enum value 'tpc'",
        ),
        ("http://camera/1#transport=tcp", "unknown key 'transport'"),
    ],
)
def test_unknown_addresses(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        open_source(text)
    assert caught.value.exit_code == 2


def test_rendered_scenes_are_the_same_for_the_same_seed() -> None:
    text = "rendered:seed=3,frames=2,width=160,height=96"
    source, again = open_source(text), open_source(text)
    assert source.length == 2
    first, second = source.read(), again.read()
    assert first is not None
    assert second is not None
    assert first.image.shape == (96, 160, 3)
    np.testing.assert_array_equal(first.image, second.image)
    assert indices(source) == [1]


def test_options_of_rendered_scenes_may_stand_behind_a_hash_too() -> None:
    first = open_source("rendered:seed=3,width=160,height=96").read()
    second = open_source("rendered#seed=3,width=160,height=96").read()
    third = open_source("rendered:seed=3#width=160,height=96").read()
    assert first is not None
    assert second is not None
    assert third is not None
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.image, third.image)


def test_a_camera_that_is_not_there() -> None:
    assert not Path("/dev/video97").exists()
    for text in ("97", "/dev/video97"):
        with pytest.raises(EdgeMtlError, match="expected the device /dev/video97, found"):
            open_source(text)


def test_a_camera_that_is_not_there_yet_is_waited_for() -> None:
    source = open_source("97#give_up=0.2")
    assert source.health.state == "connecting"
    with pytest.raises(EdgeMtlError, match=r"97 cannot be opened and was tried .* /dev/video97"):
        source.read()
    source.close()


def test_files_have_no_options(tiny_video: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "1.png")
    for path in (tiny_video, tmp_path):
        with pytest.raises(UsageError, match=r"expected no options, found 'rate=3'.* --rate"):
            open_source(f"{path}#rate=3")


def test_a_file_with_a_hash_in_its_name(tiny_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "drive#2=a.mp4"
    path.write_bytes(tiny_video.read_bytes())
    assert len(indices(open_source(str(path)))) == 30


def test_a_rate_is_for_files_only() -> None:
    with pytest.raises(UsageError, match="97 has a rate of its own; --rate is for files"):
        open_source("97#give_up=never", rate=10)
    paced = open_source("rendered:frames=3,width=64,height=64", rate=10)
    assert (paced.live, paced.length, paced.frames_per_second) == (True, 3, 10)
    paced.close()


def test_rendered_scenes_do_not_end_by_themselves() -> None:
    source = open_source("rendered:width=64,height=64")
    assert source.length is None
    assert source.read() is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rendered:sed=3", "unknown key 'sed'; did you mean 'seed'"),
        ("rendered:seed=many", "Expected `int"),
        ("rendered:frames=0", ">= 1"),
        ("rendered:7", "expected key=value such as seed=7, found '7'"),
    ],
)
def test_wrong_options_of_rendered(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_source(text)
