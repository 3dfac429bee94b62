"""COCO's results, read and judged by its evaluation code."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import coco
from edge_mtl.runtime.sinks.coco import CocoSink
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Detections, Poses, Scene

MakeFrame = Callable[..., Frame]


def seen(index: int) -> Scene:
    """Two boxes of two tasks; the pedestrian has a pose of 17 keypoints."""
    boxes = np.array([[10, 20, 60, 90], [5, 6, 20 + index, 30]], np.float32)
    scores, class_ids = np.array([0.9, 0.8], np.float32), np.array([1, 0], np.int32)
    found = Detections(("car", "pedestrian"), boxes, scores, class_ids)
    signs = Detections(("sign",), boxes[:1], scores[:1], np.zeros(1, np.int32))
    points = np.stack([np.linspace(12, 58, 17), np.linspace(22, 88, 17)], 1)[None]
    poses = Poses(
        tuple(f"joint {i}" for i in range(17)),
        np.zeros(1, np.int32),
        points.astype(np.float32),
        np.full((1, 17), 0.75, np.float32),
    )
    return Scene((96, 64), {"detection": found, "signs": signs}, {}, {"pose": poses}, {}, index)


def truth(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What a data set would look like of which these are perfect results."""
    annotations = []
    for number, each in enumerate(results, start=1):
        area = each["bbox"][2] * each["bbox"][3]
        points = [2 if i % 3 == 2 else value for i, value in enumerate(each.get("keypoints", []))]
        found = {"id": number, "area": area, "iscrowd": 0, "keypoints": points}
        annotations.append({**each, **found, "num_keypoints": len(points) // 3})
    images = sorted({each["image_id"] for each in results})
    names = {each["category_id"]: each["category"] for each in results}
    return {
        "images": [{"id": image, "width": 96, "height": 64} for image in images],
        "categories": [{"id": number, "name": name} for number, name in names.items()],
        "annotations": annotations,
    }


@pytest.mark.parametrize("kind", ["bbox", "keypoints"])
def test_cocos_own_code_reads_and_judges_them(tmp_path: Path, frame: MakeFrame, kind: str) -> None:
    judge = pytest.importorskip("faster_coco_eval", reason="faster-coco-eval, of the extra train")
    sink = CocoSink(tmp_path / "new" / "o.json")
    for index in range(3):
        sink.write(seen(index), frame(index))
    sink.close()
    path = tmp_path / "new" / ("o.json" if kind == "bbox" else "o-keypoints.json")
    results = json.loads(path.read_text())
    data = judge.COCO(truth(results))
    verdict = judge.COCOeval_faster(data, data.loadRes(str(path)), kind)
    verdict.evaluate()
    verdict.accumulate()
    verdict.summarize()
    assert verdict.stats_as_dict["AP_all"] == pytest.approx(1)


def test_categories_go_on_from_task_to_task(tmp_path: Path, frame: MakeFrame) -> None:
    path = tmp_path / "o.json"
    sink = CocoSink(path)
    assert json.loads(path.read_text()) == []
    for index in range(2):
        sink.write(seen(index), frame(index))
        results = json.loads(path.read_text())  # whole after every frame
        assert [each["image_id"] for each in results[-3:]] == [index] * 3
    named = {each["category_id"]: each["category"] for each in results}
    assert named == {1: "car", 2: "pedestrian", 3: "sign"}
    assert results[0]["bbox"] == [10, 20, 50, 70]
    [pose, _] = json.loads((tmp_path / "o-keypoints.json").read_text())
    assert (pose["category"], len(pose["keypoints"])) == ("pedestrian", 51)


def test_a_full_disk_leaves_a_list(
    tmp_path: Path, frame: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(FileIO):
        """Has room for 600 bytes, and takes what fits, as a disk does."""

        def write(self, data: Any) -> int:
            room = 600 - self.tell()
            if room <= 0:
                raise OSError(28, "No space left on device")
            return super().write(data[:room])

    path = tmp_path / "o.json"
    monkeypatch.setattr(coco, "FileIO", Full)
    sink = CocoSink(path)
    boxes_alone = [replace(seen(index), poses={}) for index in range(3)]
    sink.write(boxes_alone[0], frame(0))
    sink.write(boxes_alone[1], frame(1))
    with pytest.raises(EdgeMtlError, match="No space left"):
        sink.write(boxes_alone[2], frame(2))
    sink.close()
    assert [each["image_id"] for each in json.loads(path.read_text())] == [0, 0, 0, 1, 1, 1]
    with pytest.raises(EdgeMtlError, match="Is a directory; choose another place"):
        CocoSink(tmp_path)
