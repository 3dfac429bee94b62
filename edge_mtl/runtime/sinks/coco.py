"""Boxes and poses as COCO's results: what `loadRes` of its evaluation code reads."""

from __future__ import annotations

from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Detections, Poses, Scene

_END = b"\n]\n"


class CocoSink:
    """Writes boxes to a file, and poses to another beside it, `NAME-keypoints.json`.

    An image's id is the number of its frame, from 0; a category's is that of the class in its task,
    from 1, those of a second task go on behind the first. Every result has the name of its category
    too, which `loadRes` skips. Both files are whole after every frame.

    Args:
        path: of the boxes; overwritten. Poses get a file where a scene has a task for them.

    Raises:
        EdgeMtlError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boxes = _List(path)
        self._poses: _List | None = None
        self._first_categories: dict[str, int] = {}
        self._categories = 0

    def write(self, scene: Scene, frame: Frame) -> None:
        """Append the results of one frame.

        Raises:
            EdgeMtlError: the disk is full; the results before it can be read.
        """
        boxes: list[dict[str, Any]] = []
        posed: list[dict[str, Any]] = []
        for task, found in scene.detections.items():
            results = _boxes(found, scene.frame_index, self._first_category(task, found))
            boxes += results
            if found is scene.posed:
                posed = results
        self._boxes.append(boxes)
        if not scene.poses:
            return
        if self._poses is None:
            self._poses = _List(self._path.with_stem(f"{self._path.stem}-keypoints"))
        self._poses.append(
            [each for poses in scene.poses.values() for each in _with_points(poses, posed)]
        )

    def _first_category(self, task: str, found: Detections) -> int:
        """Of a task, the same in every scene: a degraded one may lack the task before it."""
        if task not in self._first_categories:
            self._first_categories[task] = 1 + self._categories
            self._categories += len(found.classes)
        return self._first_categories[task]

    def close(self) -> None:
        """Close the files."""
        self._boxes.close()
        if self._poses is not None:
            self._poses.close()


def _boxes(found: Detections, image: int, first_category: int) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image,
            "category_id": first_category + class_id,
            "category": found.classes[class_id],
            "bbox": [round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)],
            "score": round(score, 5),
        }
        for (x1, y1, x2, y2), score, class_id in zip(
            found.boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
        )
    ]


def _with_points(poses: Poses, boxes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results of the boxes that have a pose; a keypoint's third number is its score."""
    return [
        {
            **boxes[row],
            "keypoints": [
                round(value, 4)
                for (x, y), score in zip(points, scores, strict=True)
                for value in (x, y, score)
            ],
        }
        for row, points, scores in zip(
            poses.rows.tolist(), poses.points.tolist(), poses.scores.tolist(), strict=True
        )
    ]


class _List:
    """A JSON list in a file that is whole after every write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(path, "wb")
            self._file.write(b"[" + _END)
        except OSError as error:
            raise EdgeMtlError(
                f"{path}: expected a file that can be written, found: {error.strerror}; choose "
                "another place for the COCO results"
            ) from None
        self._end = 1

    def append(self, items: list[dict[str, Any]]) -> None:
        if not items:
            return
        lines = b",\n".join(msgspec.json.encode(item) for item in items)
        text = (b",\n" if self._end > 1 else b"\n") + lines
        try:
            self._overwrite_end(text + _END)
        except OSError as error:
            self._file.truncate(self._end)
            self._overwrite_end(_END)
            raise EdgeMtlError(
                f"{self._path}: writing the COCO results failed: {error.strerror}; those before "
                "can be read"
            ) from None
        self._end += len(text)

    def _overwrite_end(self, text: bytes) -> None:
        self._file.seek(self._end)
        left = memoryview(text)
        while left:
            left = left[self._file.write(left) or 0 :]

    def close(self) -> None:
        self._file.close()
