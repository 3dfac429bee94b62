"""The schema of the JSON lines: the file is what the types say, and lines keep to it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_mtl.json_schema import json_schema
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene
from edge_mtl.scene_record import VERSION, SceneRecord


@pytest.fixture
def scene() -> Scene:
    found = Detections(
        ("car", "person"),
        np.array([[1, 2, 30.126, 40], [5, 6, 7, 8]], np.float32),
        np.array([0.75, 0.5], np.float32),
        np.array([0, 1], np.int32),
        np.array([12, -1], np.int32),
    )
    points, seen = np.array([[[5.25, -1]]], np.float32), np.array([[0.5]], np.float32)
    return Scene(
        (96, 64),
        {"detection": found},
        {"classes": Mask(("Road", "Sky"), np.array([[0, 0, 1, 0]], np.uint8))},
        {"pose": Poses(("head",), np.ones(1, np.int32), points, seen)},
        {"time": Classification(("day", "night"), np.array([0.75, 0.25], np.float32))},
        7,
        123,
        {"engine": 1.23456},
    )


def test_every_field_is_described() -> None:
    for record in json_schema(SceneRecord)["$defs"].values():
        for name, field in record["properties"].items():
            assert "description" in field or name == "score", name


def test_a_line_keeps_to_the_schema_and_comes_back(scene: Scene) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema, of the extra dev")
    check = jsonschema.Draft202012Validator(json_schema(SceneRecord))
    record = SceneRecord.of(scene, "front", "2026-11-22T22:11:59.123456+00:00")
    line = msgspec.json.encode(record)
    plain = json.loads(line)
    check.validate(plain)
    assert msgspec.json.decode(line, type=SceneRecord) == record
    boxes = plain["detections"]["detection"]
    assert boxes[0] == {"class": "car", "score": 0.75, "box": [1, 2, 30.13, 40], "track": 12}
    assert "track" not in boxes[1]
    assert plain["poses"]["pose"][0] == {"detection": 1, "keypoints": {"head": [5.25, -1, 0.5]}}
    assert plain["masks"] == {"classes": {"Road": 0.75, "Sky": 0.25}}
    for wrong in ({"frame": "seven"}, {"masks": {"classes": {"Road": 2}}}):
        assert not check.is_valid({**plain, **wrong})


def test_what_is_not_known_is_left_out(scene: Scene) -> None:
    plain: dict[str, Any] = scene.to_json()
    assert {"camera", "captured_at"} & plain.keys() == set()
    assert plain["version"] == VERSION


@pytest.mark.parametrize("classes", [2, 24, 25, 200])
def test_shares_of_few_and_many_classes(classes: int) -> None:
    labels = np.random.default_rng(classes).integers(0, classes, (31, 17), np.uint8)
    names = tuple(f"class {i}" for i in range(classes))
    shares = Mask(names, labels).shares()
    counts = np.bincount(labels.ravel(), minlength=classes)
    expected = {names[i]: int(n) / labels.size for i, n in enumerate(counts) if n}
    assert shares == expected
