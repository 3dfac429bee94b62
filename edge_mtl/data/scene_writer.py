"""Writes a data set as the folder that `SceneFolder` reads; an interrupted one goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Sample
from edge_mtl.data.scene_folder import FORMAT_VERSION, FolderCard, FrameLabels, png_path
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.tasks import KEYPOINTS

JPEG_QUALITY = 92
_UNFINISHED = "dataset.json.part"


def write_scene_folder(
    dataset: Dataset, folder: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write every sample of a data set into a new or empty folder, or go on with one.

    A folder whose writing was interrupted is gone on with where it holds the same data set: where
    it says so, and its last frame comes out the same again.

    progress: called after every frame with (frames written, frames in all).

    Raises:
        UsageError: `folder` holds something else already.
        EdgeMtlError: a folder or file cannot be written.
    """
    card = FolderCard(
        format_version=FORMAT_VERSION,
        frames=len(dataset),
        masks=dataset.vocabulary.masks,
        boxes=dataset.vocabulary.boxes,
        keypoints=KEYPOINTS,
        made_from=dataset.name,
        attributes=dataset.vocabulary.attributes,
        planes=dataset.vocabulary.planes,
    )
    encoded = msgspec.json.format(msgspec.json.encode(card))
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            done = _frames_done(dataset, folder, encoded)
        else:
            done = 0
            (folder / "images").mkdir(parents=True)
            (folder / _UNFINISHED).write_bytes(encoded)
        _write_frames(dataset, folder, done, progress or (lambda _written, _total: None))
        (folder / _UNFINISHED).replace(folder / "dataset.json")
    except OSError as error:
        raise EdgeMtlError(
            f"{error.filename or folder}: expected to write {len(dataset)} frames, found "
            f"{error.strerror}; make room or give another folder, and write it again"
        ) from None


def _frames_done(dataset: Dataset, folder: Path, card: bytes) -> int:
    """How many frames an unfinished folder of this data set has; half a line is cut off."""
    unfinished, labels = folder / _UNFINISHED, folder / "labels.jsonl"
    if not unfinished.is_file() or unfinished.read_bytes() != card:
        raise UsageError(
            f"{folder}: expected a new or an empty folder to write to, found one in use; "
            "delete it or give another"
        )
    if not labels.is_file():
        return 0
    lines = labels.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    if lines:
        last = len(lines) - 1
        if lines[-1] != _line(_labels(dataset[last], _file(last))):
            raise UsageError(
                f"{folder}: expected to go on with its {len(lines)} frames, found other labels on "
                f"the last of them; delete it or give another, or run what wrote it"
            )
    os.truncate(labels, sum(map(len, lines)))
    return len(lines)


def _write_frames(
    dataset: Dataset, folder: Path, done: int, progress: Callable[[int, int], None]
) -> None:
    for name in dataset.vocabulary.masks:
        (folder / "masks" / name).mkdir(parents=True, exist_ok=True)
    for name in dataset.vocabulary.planes:
        (folder / "planes" / name).mkdir(parents=True, exist_ok=True)
    with (folder / "labels.jsonl").open("ab") as lines:
        for index in range(done, len(dataset)):
            sample = dataset[index]
            labels = _labels(sample, _file(index))
            _write(folder / "images" / labels.file, sample.image)
            for name, mask in sample.masks.items():
                _write(png_path(folder / "masks", name, labels.file), mask)
            for name, plane in sample.planes.items():
                _write(png_path(folder / "planes", name, labels.file), plane)
            lines.write(_line(labels))
            lines.flush()  # a kill loses no frame
            progress(index + 1, len(dataset))


def _file(index: int) -> str:
    return f"{index:06d}.jpg"


def _line(labels: FrameLabels) -> bytes:
    return msgspec.json.encode(labels) + b"\n"


def _labels(sample: Sample, file: str) -> FrameLabels:
    boxes = sample.boxes
    keypoints = None if boxes is None else boxes.keypoints
    searched = None if boxes is None else boxes.searched
    return FrameLabels(
        file=file,
        name=sample.name,
        masks=tuple(sample.masks),
        boxes=None if boxes is None else _rounded(boxes.corners),
        class_ids=[] if boxes is None else boxes.class_ids.tolist(),
        keypoints=None if keypoints is None else _rounded(keypoints),
        attributes=dict(sample.attributes),
        ignored=[] if boxes is None else _rounded(boxes.ignored),
        searched=None if searched is None else searched.tolist(),
        planes=tuple(sample.planes),
    )


def _rounded(values: NDArray[np.float32]) -> Any:
    """Nested lists to a thousandth of a pixel: float32 in full would triple the file."""
    return values.astype(np.float64).round(3).tolist()


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    # PNG level 1: masks are large flat regions, more effort costs time and saves little.
    png = path.suffix == ".png"
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if png else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())
