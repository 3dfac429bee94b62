"""Files that are cut, and what a full disk does to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks.json_lines import JsonLinesSink
from edge_mtl.runtime.sinks.segments import Cut, Segments
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

MakeFrame = Callable[..., Frame]
MakeScene = Callable[[Frame], Scene]


def open_lines(path: Path) -> JsonLinesSink:
    return JsonLinesSink(str(path), "front")


def indices(path: Path) -> list[int]:
    return [json.loads(line)["frame"] for line in path.read_text().splitlines()]


def test_a_new_file_starts_at_the_limit_and_the_oldest_go(
    tmp_path: Path, frame: MakeFrame, scene: MakeScene
) -> None:
    path = tmp_path / "new" / "scenes.jsonl"
    probe = JsonLinesSink(str(tmp_path / "probe"), "front")
    probe.write(scene(frame(0)), frame(0))
    line_bytes = (tmp_path / "probe").stat().st_size
    for _ in range(2):  # the second run goes on where the first ended
        sink = Segments(path, open_lines, Cut(2 * line_bytes, 3))
        for index in range(6):
            sink.write(scene(frame(index)), frame(index))
        sink.close()
        there = sorted(path.parent.iterdir())
        assert len(there) == 3
        assert [indices(each) for each in there] == [[0, 1], [2, 3], [4, 5]]
    assert [each.name for each in there] == [f"scenes-{n:06}.jsonl" for n in (3, 4, 5)]


class FullDisk:
    """A sink on a disk that has room for two segments of two scenes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.write_text("")

    def write(self, scene: Scene, frame: Frame) -> None:
        total = sum(len(each.read_text()) for each in self._path.parent.iterdir())
        if total == 4:
            raise EdgeMtlError("no space")
        self._path.write_text(self._path.read_text() + "x")

    def close(self) -> None:
        pass


def test_the_oldest_makes_room_on_a_full_disk_where_it_may(
    tmp_path: Path, frame: MakeFrame, scene: MakeScene, caplog: pytest.LogCaptureFixture
) -> None:
    may, may_not = tmp_path / "may", tmp_path / "not"
    for folder, keep in ((may, 9), (may_not, None)):
        folder.mkdir()
        sink = Segments(folder / "s.txt", FullDisk, Cut(2, keep))
        for index in range(4):
            sink.write(scene(frame(index)), frame(index))
        if keep is None:
            with pytest.raises(EdgeMtlError, match="no space"):
                sink.write(scene(frame(4)), frame(4))
        else:
            sink.write(scene(frame(4)), frame(4))
    assert sorted(each.name for each in may.iterdir()) == ["s-000001.txt", "s-000003.txt"]
    assert len(list(may_not.iterdir())) == 3
    assert "s-000000.txt deleted to make room: no space" in caplog.text
