"""Which clips `--sources` means."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("pyarrow", reason="the extra batch is not installed")

from edge_mtl.drives.clips import find_clips
from edge_mtl.errors import EdgeMtlError


@pytest.fixture
def drives(tmp_path: Path) -> Path:
    for name in (
        *("a/front.mp4", "a/rear.MKV", "a/thumbnail.jpg", "a/notes.md", "b/front.mp4"),
        *("b/stills/1.png", "b/stills/2.png", "b/stills/labels/1.txt"),
        *(".trash/old.mp4", "b/._front.mp4", "c/readme.txt"),
    ):
        path = tmp_path / "drives" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "drives"


def names(sources: str | Path, base: Path) -> list[str]:
    return [Path(clip.name).relative_to(base).as_posix() for clip in find_clips(str(sources))]


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_folder_is_searched_for_videos_and_folders_of_images(drives: Path, prefix: str) -> None:
    found = ["a/front.mp4", "a/rear.MKV", "b/front.mp4", "b/stills"]
    assert names(f"{prefix}{drives}", drives) == found


def test_a_video_and_a_folder_of_images_are_clips_themselves(drives: Path) -> None:
    assert names(drives / "a" / "front.mp4", drives) == ["a/front.mp4"]
    assert names(drives / "b" / "stills", drives) == ["b/stills"]


def test_a_list_has_clips_and_folders_each_once(drives: Path) -> None:
    text = f"# night\n\n  b/front.mp4  \na\n{drives}/b/front.mp4\ngone.mp4\n"
    (drives / "list.txt").write_text(text, encoding="utf-8")
    found = ["b/front.mp4", "a/front.mp4", "a/rear.MKV", "gone.mp4"]
    assert names(drives / "list.txt", drives) == found


def test_what_holds_no_clip_is_refused(drives: Path) -> None:
    with pytest.raises(EdgeMtlError, match="expected clips, found none"):
        find_clips(str(drives / "c"))
    with pytest.raises(EdgeMtlError, match="gone: no such video or folder"):
        find_clips(str(drives / "gone"))
    (drives / "list.txt").write_text("b\ngone\n", encoding="utf-8")
    with pytest.raises(EdgeMtlError, match="gone: no such video or folder"):
        find_clips(str(drives / "list.txt"))
    with pytest.raises(EdgeMtlError, match=r"none\.txt"):
        find_clips(str(drives / "none.txt"))
    (drives / "list.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(EdgeMtlError, match="expected a list, a clip a line in UTF-8"):
        find_clips(str(drives / "list.txt"))
