"""Scenes of half of the tasks, as degraded ones are, in every sink that writes files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from edge_mtl.runtime.sinks import Setting
from edge_mtl.runtime.sinks.coco import CocoSink
from edge_mtl.runtime.sinks.outputs import Outputs
from edge_mtl.runtime.sources import Frame, open_source
from edge_mtl.scene import Detections, Scene

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

from edge_mtl.runtime.draw import Annotator

MakeFrame = Callable[..., Frame]
MakeScene = Callable[[Frame], Scene]


def every_second_task(scene: Scene) -> Scene:
    """Masks in one frame, everything else in the next; the first is whole."""
    if scene.frame_index == 0:
        return scene
    if scene.frame_index % 2:
        return replace(scene, detections={}, poses={}, classifications={}, degraded=True)
    return replace(scene, masks={}, degraded=True)


def test_every_file_takes_them(frame: MakeFrame, scene: MakeScene, tmp_path: Path) -> None:
    for package in ("mcap", "rerun", "trackers", "foxglove_schemas_protobuf"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from edge_mtl.runtime.tracking import Tracker

    names = {"save": "o.mkv", "jsonl": "o.jsonl", "coco": "o.json", "mcap": "o.mcap"}
    wanted = {name: str(tmp_path / file) for name, file in {**names, "rerun": "o.rrd"}.items()}
    setting = Setting(open_source("rendered:frames=3"))
    outputs = Outputs.open(wanted, setting, change=Tracker(25.0))
    for index in range(7):
        each = frame(index, captured_ns=1 + index)
        outputs.write(every_second_task(scene(each)), each)
    outputs.close()
    assert {each.written for each in outputs.report().values()} == {7}
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [line.get("degraded", False) for line in lines] == [False] + [True] * 6
    assert [len(line["masks"]) for line in lines] == [1, 1, 0, 1, 0, 1, 0]
    # The box has a number although it is seen in every second scene.
    tracks = [box.get("track") for line in lines for box in line["detections"].get("detection", [])]
    assert tracks == [None, 0, 0, 0]
    boxes = json.loads((tmp_path / "o.json").read_text())
    assert [box["image_id"] for box in boxes] == [0, 2, 4, 6]
    vitals = setting.vitals
    assert (vitals.frames, vitals.degraded, vitals.degradations) == (7, 6, 1)


def test_categories_of_coco_stay_where_an_earlier_task_is_missing(
    frame: MakeFrame, tmp_path: Path
) -> None:
    def of(*classes: str) -> Detections:
        one = np.zeros(1, np.int32)
        return Detections(classes, np.ones((1, 4), np.float32), np.ones(1, np.float32), one)

    both = Scene((96, 64), {"cars": of("car", "van"), "signs": of("stop")}, {})
    sink = CocoSink(tmp_path / "o.json")
    for index, tasks in enumerate((("cars", "signs"), ("signs",), ("cars",))):
        some = {name: both.detections[name] for name in tasks}
        sink.write(replace(both, detections=some, frame_index=index), frame(index))
    sink.close()
    found = json.loads((tmp_path / "o.json").read_text())
    assert [(each["category"], each["category_id"]) for each in found] == [
        ("car", 1),
        ("stop", 3),
        ("stop", 3),
        ("car", 1),
    ]


def test_the_annotator_says_it(frame: MakeFrame, scene: MakeScene) -> None:
    """In the status line, which is all that a scene of nothing has."""
    annotate, each = Annotator(), frame(0, (640, 480))
    nothing = replace(scene(each), detections={}, masks={}, poses={}, classifications={})
    drawn = [annotate(one, each.image) for one in (nothing, replace(nothing, degraded=True))]
    changed = np.argwhere((drawn[0] != drawn[1]).any(axis=2))
    assert len(changed) > 100
    assert changed[:, 0].max() < 30
