from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import StreamEnded
from edge_mtl.runtime.sinks.behind import Behind
from edge_mtl.runtime.sinks.by_camera import ByCamera
from edge_mtl.runtime.sinks.outputs import Outputs
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.sources.queued import QueueSource
from edge_mtl.scene import Scene

MakeFrame = Callable[..., Frame]
MakeScene = Callable[[Frame], Scene]


class Failing:
    """A sink that fails at its scene number `at`."""

    def __init__(self, error: Exception, at: int = 0) -> None:
        self.written = 0
        self.closed = False
        self._error, self._at = error, at

    def write(self, scene: Scene, frame: Frame) -> None:
        if self.written == self._at:
            raise self._error
        self.written += 1

    def close(self) -> None:
        self.closed = True


def outputs(*sinks: Failing) -> Outputs:
    return Outputs([Behind("sink", sink, depth=4, waits=True) for sink in sinks])


def write(sink: ByCamera, frame: Frame, scene: Scene, camera: str) -> None:
    sink.write(scene, replace(frame, camera=camera))


def go_on(sink: ByCamera, frame: Frame, scene: Scene, *cameras: str) -> None:
    """Write until the threads of the sinks have told."""
    for _ in range(1000):
        for camera in cameras:
            write(sink, frame, scene, camera)
        time.sleep(0.01)


def test_the_outputs_of_one_camera_may_fail_and_those_of_all_end_the_stream(
    frame: MakeFrame, scene: MakeScene
) -> None:
    given = frame(0)
    seen = scene(given)
    front, rear = Failing(EdgeMtlError("front is full")), Failing(EdgeMtlError("rear is full"), 20)
    sink = ByCamera({"front": outputs(front), "rear": outputs(rear)})
    for _ in range(20):
        write(sink, given, seen, "front")
        write(sink, given, seen, "rear")
    with pytest.raises(EdgeMtlError, match="no output is left to run for: rear is full"):
        go_on(sink, given, seen, "front", "rear")
    sink.close()
    assert (front.closed, rear.closed, rear.written) == (True, True, 20)
    report = sink.report()
    assert report["front"]["sink"].failure == "front is full"
    assert report["front"]["sink"].dropped > 19


def test_a_viewer_of_one_camera_that_leaves_ends_the_stream(
    frame: MakeFrame, scene: MakeScene
) -> None:
    given = frame(0)
    sink = ByCamera({"front": outputs(Failing(StreamEnded())), "rear": outputs()})
    with pytest.raises(StreamEnded):
        go_on(sink, given, scene(given), "front")
    sink.close()


def test_files_are_named_by_their_camera_and_carry_its_name(
    frame: MakeFrame, scene: MakeScene, tmp_path: Path
) -> None:
    sources = {"front": QueueSource(), "rear": QueueSource()}
    wanted = {"jsonl": str(tmp_path / "day.1.jsonl")}
    sink = ByCamera.open(wanted, sources)
    given = frame(0)
    for camera in sources:
        write(sink, given, scene(given), camera)
    sink.close()
    for camera in sources:
        [line] = (tmp_path / f"day.1-{camera}.jsonl").read_text().splitlines()
        assert json.loads(line)["camera"] == camera


def test_one_camera_alone_has_its_files_as_they_are_named(tmp_path: Path) -> None:
    ByCamera.open({"jsonl": str(tmp_path / "o.jsonl")}, {"": QueueSource()}).close()
    assert [path.name for path in tmp_path.iterdir()] == ["o.jsonl"]


def test_where_one_cannot_be_opened_those_before_it_are_closed(tmp_path: Path) -> None:
    (tmp_path / "o-rear.jsonl").mkdir()
    sources = {"front": QueueSource(), "rear": QueueSource()}
    with pytest.raises(EdgeMtlError, match=r"o-rear\.jsonl: expected a file that can be written"):
        ByCamera.open({"jsonl": str(tmp_path / "o.jsonl")}, sources)
