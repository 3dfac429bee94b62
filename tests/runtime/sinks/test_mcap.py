"""MCAP files, read back by its library and Foxglove's schemas."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import room
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Detections, Poses, Scene

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("foxglove_schemas_protobuf", reason="the extra mcap is not installed")
pytest.importorskip("mcap", reason="the extra mcap is not installed")

import cv2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mcap.reader import make_reader

from edge_mtl.runtime.sinks.mcap_file import McapSink

MakeFrame = Callable[..., Frame]
MakeScene = Callable[[Frame], Scene]


@pytest.fixture
def tracked(scene: MakeScene) -> MakeScene:
    """A scene with a tracked box and a pose of one limb."""

    def make(frame: Frame) -> Scene:
        boxes = np.array([[10, 20, 60, 50]], np.float32)
        found = Detections(
            ("person",),
            boxes,
            np.array([0.75], np.float32),
            np.zeros(1, np.int32),
            np.array([7], np.int32),
        )
        points = np.array([[[20, 30], [20, 40], [5, 5]]], np.float32)
        seen = np.array([[0.9, 0.8, 0.1]], np.float32)
        poses = Poses(("left_hip", "left_knee", "left_ankle"), np.zeros(1, np.int32), points, seen)
        return replace(scene(frame), detections={"detection": found}, poses={"pose": poses})

    return make


def read(path: Path) -> list[tuple[str, int, Any]]:
    """Topic, time and content of every message, decoded by the schemas in the file alone."""
    found = []
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file, validate_crcs=True).iter_messages():
            assert schema is not None
            if schema.encoding == "jsonschema":
                content = json.loads(message.data)
                assert json.loads(schema.data)["$ref"] == "#/$defs/SceneRecord"
            else:
                files = descriptor_pb2.FileDescriptorSet.FromString(schema.data)
                pool = descriptor_pool.DescriptorPool()
                for each in files.file:
                    pool.Add(each)
                kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(schema.name))
                content = kind.FromString(message.data)
            found.append((channel.topic, message.log_time, content))
    return found


def test_what_was_seen_comes_back(tmp_path: Path, frame: MakeFrame, tracked: MakeScene) -> None:
    path = tmp_path / "new" / "o.mcap"
    sink = McapSink(path, "rtsp://front:8554/a b")
    before_ns = time.time_ns()
    captured_ns = time.monotonic_ns()
    for index in range(3):
        each = frame(index, captured_ns=captured_ns + index)
        sink.write(replace(tracked(each), captured_ns=each.captured_ns), each)
    sink.close()
    messages = read(path)
    names = ("image", "masks/classes", "annotations", "scene")
    topics = {f"/rtsp_front_8554_a_b/{name}": 3 for name in names}
    assert Counter(topic for topic, _, _ in messages) == topics
    content = {topic.rpartition("_b/")[2]: what for topic, _, what in messages[:4]}
    assert abs(messages[0][1] - before_ns) < 10e9
    image = cv2.imdecode(np.frombuffer(content["image"].data, np.uint8), cv2.IMREAD_COLOR)
    assert (image.shape, content["image"].format) == ((64, 96, 3), "jpeg")
    assert content["image"].frame_id == "rtsp://front:8554/a b"
    box, limb = content["annotations"].points
    assert [(p.x, p.y) for p in box.points] == [(10, 20), (60, 20), (60, 50), (10, 50)]
    assert [(p.x, p.y) for p in limb.points] == [(20, 30), (20, 40)]
    [text] = content["annotations"].texts
    assert (text.text, text.position.x, text.position.y) == ("person #7 0.75", 10, 20)
    assert content["scene"]["detections"]["detection"][0]["track"] == 7
    assert content["scene"]["camera"] == "rtsp://front:8554/a b"
    assert content["masks/classes"].format == "png"


def test_a_full_disk_leaves_a_whole_file(
    tmp_path: Path, frame: MakeFrame, tracked: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "o.mcap"
    sink = McapSink(path, "front")
    sink.write(tracked(frame(0)), frame(0))
    monkeypatch.setattr(room, "ROOM_BYTES", 2**62)
    with pytest.raises(EdgeMtlError, match="MB free on its disk"):
        sink.write(tracked(frame(1)), frame(1))
    sink.close()
    assert len(read(path)) == 4
    with pytest.raises(EdgeMtlError, match="Is a directory; choose another place"):
        McapSink(tmp_path, "front")
