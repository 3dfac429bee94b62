"""A folder of labelled frames with the labels of every task, read.

    dataset.json          format version, vocabulary, number of frames, how it was made
    labels.jsonl          a line a frame: file, boxes, keypoints, areas to ignore, attributes
    images/000000.jpg     frames in order
    masks/NAME/000000.png class ids of every mask, 255 where nobody labelled
    planes/NAME/000000.png further images, 0 where nothing is known

`dataset.json` gets its name last, so a folder without it was not finished; what writes it again
goes on where it stopped.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edge_mtl.data.datasets import folder_listing
from edge_mtl.data.images import read_image, read_mask, read_plane
from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.errors import EdgeMtlError
from edge_mtl.tasks import KEYPOINTS

FORMAT_VERSION = 1


class FolderCard(msgspec.Struct, frozen=True, kw_only=True):
    """`dataset.json`. Folders written before there were attributes or planes in it have none."""

    format_version: int
    frames: int
    masks: dict[str, tuple[str, ...]]
    boxes: tuple[str, ...]
    keypoints: tuple[str, ...]
    made_from: str
    attributes: dict[str, tuple[str, ...]] = {}
    planes: tuple[str, ...] = ()


class FrameLabels(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of `labels.jsonl`. Boxes are x1 y1 x2 y2 in pixels, keypoints x y visibility;
    `ignored` and `searched` are those of `Boxes`."""

    file: str
    name: str
    masks: tuple[str, ...]
    boxes: list[tuple[float, float, float, float]] | None
    class_ids: list[int]
    keypoints: list[list[tuple[float, float, float]]] | None
    attributes: dict[str, str | tuple[str, ...]]
    ignored: list[tuple[float, float, float, float]] = []
    searched: list[bool] | None = None
    planes: tuple[str, ...] = ()


class SceneFolder:
    """The samples of a folder that `write_scene_folder` wrote.

    Labels are read when this is made, images and masks when a sample is taken.

    Raises:
        EdgeMtlError: the folder was not finished, is of a newer format, or a line of labels is
            missing or damaged. Taking a sample raises it for a damaged image or mask.
    """

    def __init__(self, folder: Path) -> None:
        card = _read_card(folder)
        self.name = f"scenes:{folder}"
        self.vocabulary = Vocabulary(card.masks, card.boxes, card.attributes, card.planes)
        self._folder = folder
        self._frames = _read_labels(folder / "labels.jsonl", card)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        labels = self._frames[index]
        image = read_image(self._folder / "images" / labels.file)
        size = image.shape[1], image.shape[0]
        masks = {
            name: read_mask(
                png_path(self._folder / "masks", name, labels.file),
                size,
                [*range(len(self.vocabulary.masks[name])), IGNORE],
            )
            for name in labels.masks
        }
        return Sample(
            image=image,
            name=labels.name,
            masks=masks,
            boxes=_boxes(labels),
            attributes=labels.attributes,
            planes={
                name: read_plane(png_path(self._folder / "planes", name, labels.file), size)
                for name in labels.planes
            },
        )


def _boxes(labels: FrameLabels) -> Boxes | None:
    if labels.boxes is None:
        return None
    keypoints = None
    if labels.keypoints is not None:
        keypoints = np.array(labels.keypoints, np.float32).reshape(-1, len(KEYPOINTS), 3)
    return Boxes(
        corners=np.array(labels.boxes, np.float32).reshape(-1, 4),
        class_ids=np.array(labels.class_ids, np.int64),
        keypoints=keypoints,
        ignored=np.array(labels.ignored, np.float32).reshape(-1, 4),
        searched=None if labels.searched is None else np.array(labels.searched, bool),
    )


def png_path(folder: Path, name: str, file: str) -> Path:
    return folder / name / Path(file).with_suffix(".png")


def _read_card(folder: Path) -> FolderCard:
    path = folder / "dataset.json"
    if not path.is_file():
        if (folder / "labels.jsonl").is_file():
            raise EdgeMtlError(
                f"{folder}: writing this folder was interrupted, it has no dataset.json; "
                "run what wrote it again: it goes on where it stopped"
            )
        raise EdgeMtlError(
            f"{folder}: expected a folder with dataset.json, labels.jsonl, images/ and masks/, "
            f"found {folder_listing(folder)}; make one with `edge-mtl render -o {folder}`"
        )
    try:
        version = msgspec.json.decode(path.read_bytes(), type=_Version).format_version
        if version > FORMAT_VERSION:
            raise EdgeMtlError(
                f"{path}: expected format version {FORMAT_VERSION} or older, found {version}; "
                "update edge-mtl or write the folder again"
            )
        return msgspec.json.decode(path.read_bytes(), type=FolderCard)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EdgeMtlError(f"{path}: damaged: {error}; write the folder again") from None


class _Version(msgspec.Struct):
    format_version: int


def _read_labels(path: Path, card: FolderCard) -> list[FrameLabels]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise EdgeMtlError(f"{path}: {error.strerror}; write the folder again") from None
    if len(lines) != card.frames:
        raise EdgeMtlError(
            f"{path}: expected {card.frames} lines, a frame each, found {len(lines)}; "
            "write the folder again"
        )
    decoder = msgspec.json.Decoder(FrameLabels)
    frames = []
    for number, line in enumerate(lines, start=1):
        try:
            frame = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise EdgeMtlError(f"{path} line {number}: {error}; write the folder again") from None
        problem = _inconsistency(frame, card)
        if problem:
            raise EdgeMtlError(f"{path} line {number}: {problem}; write the folder again")
        frames.append(frame)
    return frames


def _inconsistency(frame: FrameLabels, card: FolderCard) -> str | None:
    """What a line of labels says that its `dataset.json` or itself contradicts."""
    if frame.file != Path(frame.file).name:
        return f"expected a file name in images/, found {frame.file!r}"
    boxes = len(frame.boxes or ())
    if len(frame.class_ids) != boxes:
        return f"expected a class id for each of {boxes} boxes, found {len(frame.class_ids)}"
    if any(not 0 <= class_id < len(card.boxes) for class_id in frame.class_ids):
        return f"expected class ids below {len(card.boxes)}, found {frame.class_ids}"
    if frame.keypoints is not None and card.keypoints != KEYPOINTS:
        known, found = ", ".join(KEYPOINTS), ", ".join(card.keypoints) or "none"
        return f"expected the keypoints of dataset.json to be {known}, found {found}"
    if frame.keypoints is not None and (
        len(frame.keypoints) != boxes or any(len(k) != len(KEYPOINTS) for k in frame.keypoints)
    ):
        return f"expected {len(KEYPOINTS)} keypoints for each of {boxes} boxes"
    if frame.searched is not None and len(frame.searched) != len(card.boxes):
        return f"expected {len(card.boxes)} values of searched, found {len(frame.searched)}"
    unknown = sorted(set(frame.masks) - set(card.masks))
    if unknown:
        return f"expected masks named {', '.join(card.masks)}, found {', '.join(unknown)}"
    unknown = sorted(set(frame.planes) - set(card.planes))
    if unknown:
        known = ", ".join(card.planes) or "none"
        return f"expected planes named {known}, found {', '.join(unknown)}"
    return None
