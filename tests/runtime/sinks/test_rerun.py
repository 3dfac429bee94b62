"""Recordings and viewers of Rerun, read by its own program."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Mask, Scene

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("rerun", reason="rerun-sdk, of the extra rerun, is not installed")

import rerun_cli

from edge_mtl.runtime.sinks.rerun_log import RerunSink

MakeFrame = Callable[..., Frame]
MakeScene = Callable[[Frame], Scene]

# The program itself: its Python wrapper would leave it running where it is killed.
PROGRAM = (str(Path(rerun_cli.__file__).with_name("rerun")),)
PARTS = ("image", "image/classes", "image/detection", "image/pose", "classifications/time/day")


def rows_by_entity(path: Path) -> dict[str, int]:
    """How often each entity was logged, by its path below the camera."""
    command = [*PROGRAM, "rrd", "print", "-v", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = {}
    for rows, entity in re.findall(r"with (\d+) rows .*? - (/\S+)", done.stdout):
        found[entity] = found.get(entity, 0) + int(rows)
    return {name.removeprefix("/front/"): rows for name, rows in found.items()}


def small_masked(scene: Scene) -> Scene:
    """With a mask smaller than the frame, as the pipeline makes them where it is asked to."""
    masks = {"classes": Mask(("Road", "Sky"), np.ones((8, 12), np.uint8))}
    return replace(scene, masks=masks, stages_ms={"engine": 7.0}, captured_ns=time.monotonic_ns())


def test_a_recording_holds_everything(tmp_path: Path, frame: MakeFrame, scene: MakeScene) -> None:
    path = tmp_path / "new" / "o.rrd"
    sink = RerunSink(str(path), "front")
    for index in range(3):
        sink.write(small_masked(scene(frame(index))), frame(index))
    sink.close()
    verify = [*PROGRAM, "rrd", "verify", str(path)]
    assert subprocess.run(verify, capture_output=True, timeout=60).returncode == 0
    rows = rows_by_entity(path)
    for name in (*PARTS, "latency_ms/engine"):
        # The legend of a mask is logged once more.
        assert rows[name] == (4 if name == "image/classes" else 3), (name, rows)


def test_a_viewer_gets_the_scenes(tmp_path: Path, frame: MakeFrame, scene: MakeScene) -> None:
    """`rerun --save` listens as its window does."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    path = tmp_path / "o.rrd"
    arguments = ["--save", str(path), "--bind", "127.0.0.1", "--port", str(port)]
    viewer = subprocess.Popen([*PROGRAM, *arguments], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                sink = RerunSink(f"127.0.0.1:{port}", "front")
                break
            except EdgeMtlError:
                assert viewer.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        for index in range(2):
            sink.write(scene(frame(index)), frame(index))
        while not path.exists() or rows_by_entity(path).get("image", 0) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert set(PARTS) <= rows_by_entity(path).keys()
        viewer.kill()
        viewer.wait()
        with pytest.raises(EdgeMtlError, match="expected a Rerun viewer that takes the scenes"):
            write_on(sink, frame, scene)
    finally:
        viewer.kill()
        viewer.wait()


def write_on(sink: RerunSink, frame: MakeFrame, scene: MakeScene) -> None:
    for index in range(60):
        sink.write(scene(frame(index)), frame(index))
        time.sleep(0.05)


def test_what_cannot_be_logged_to(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(EdgeMtlError, match=f"viewer there, found: .*start one with: .* {port}"):
        RerunSink(f"127.0.0.1:{port}", "front")
    with pytest.raises(UsageError, match=r"ends in \.rrd, or HOST:PORT"):
        RerunSink("o.rdd", "front")
    (tmp_path / "o.rrd").mkdir()
    with pytest.raises(EdgeMtlError, match="Is a directory; choose another place"):
        RerunSink(str(tmp_path / "o.rrd"), "front")
