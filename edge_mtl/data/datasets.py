"""Data sets by name: `camvid:DIR`, `coco:DIR`, `rendered`, `video:FILE` and others.

Adding a data set takes one file with a class like `Dataset` and one row in `READERS`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge_mtl.data.sample import Sample, Vocabulary
from edge_mtl.errors import UsageError

SPLITS = ("train", "val", "test")


class Dataset(Protocol):
    """Samples by index, all in one vocabulary. The same index always gives the same sample."""

    @property
    def name(self) -> str:
        """Where the samples come from, for messages and reports."""
        ...

    @property
    def vocabulary(self) -> Vocabulary: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """How a data set is opened.

    open: takes what stands behind the colon of its name (None where there is no colon) and the
        split. It imports what it needs, so that OpenCV is loaded only when data is read.
    usage: how its name is written, for messages.
    """

    open: Callable[[Path | None, str], Dataset]
    usage: str


def open_dataset(name: str, split: str, limit: int | None = None) -> Dataset:
    """Open `name` (`reader:path`, or `rendered` for scenes made on the spot).

    split: "train", "val" or "test".
    limit: at most so many samples, evenly spaced over the whole split.

    Raises:
        UsageError: the reader or the split is unknown, a path is missing from the name or the
            limit is below 1.
        EdgeMtlError: the folder is not what the reader expects.
    """
    reader, colon, path = name.partition(":")
    if reader not in READERS:
        usages = ", ".join(row.usage for row in READERS.values())
        near = nearest(reader, READERS)
        raise UsageError(
            f"no reader {reader!r} for data set {name!r}; did you mean {near!r}? Known: {usages}"
        )
    if split not in SPLITS:
        near = nearest(split, SPLITS)
        raise UsageError(f"no split {split!r}; did you mean {near!r}? Known: {', '.join(SPLITS)}")
    if colon and not path:
        raise UsageError(
            f"{name!r} names nothing behind the colon; expected {READERS[reader].usage}"
        )
    if limit is not None and limit < 1:
        raise UsageError(f"expected a limit of at least 1 sample, found {limit}; raise or drop it")
    dataset = READERS[reader].open(Path(path).expanduser() if path else None, split)
    return dataset if limit is None or limit >= len(dataset) else EvenlySpaced(dataset, limit)


def folder_listing(folder: Path) -> str:
    """What a folder holds, in a few words, for messages of readers."""
    if not folder.is_dir():
        return "a file" if folder.exists() else "no such folder"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    if not names:
        return "an empty folder"
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


class EvenlySpaced:
    """`count` samples of a data set, one from the middle of each of `count` equal stretches."""

    def __init__(self, dataset: Dataset, count: int) -> None:
        self.name = f"{dataset.name} ({count} of {len(dataset)})"
        self.vocabulary = dataset.vocabulary
        self._dataset = dataset
        self._indices = [(2 * i + 1) * len(dataset) // (2 * count) for i in range(count)]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return self._dataset[self._indices[index]]


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like `name`, to ask whether it was meant."""
    return difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]


def _open_camvid(path: Path | None, split: str) -> Dataset:
    from edge_mtl.data.camvid import CamVid

    return CamVid(_given(path, "camvid"), split)


def _open_coco(path: Path | None, split: str) -> Dataset:
    from edge_mtl.data.coco import Coco

    return Coco(_given(path, "coco"), split)


def _open_cityscapes(path: Path | None, split: str) -> Dataset:
    from edge_mtl.data.cityscapes import Cityscapes

    return Cityscapes(_given(path, "cityscapes"), split)


def _open_bdd100k(path: Path | None, split: str) -> Dataset:
    from edge_mtl.data.bdd100k import Bdd100k

    return Bdd100k(_given(path, "bdd100k"), split)


def _open_yolo(path: Path | None, split: str) -> Dataset:
    from edge_mtl.data.yolo import Yolo

    return Yolo(_given(path, "yolo"), split)


def _open_images(path: Path | None, split: str) -> Dataset:
    """The images of a folder: those of its part of the split where it has parts."""
    from edge_mtl.data.image_folder import ImageFolder

    folder = _given(path, "images")
    part = folder / split
    return ImageFolder(part if part.is_dir() else folder)


def _open_video(path: Path | None, split: str) -> Dataset:
    """A video has no splits: it is the same for all of them."""
    from edge_mtl.data.video import Video

    return Video(_given(path, "video"))


def _given(path: Path | None, reader: str) -> Path:
    if path is None:
        raise UsageError(f"{reader} is read from files; expected {READERS[reader].usage}")
    return path


# Far apart, so that however many clips a split has, none is in another split too.
_RENDERED_SEEDS = {"train": 0, "val": 1_000_000, "test": 2_000_000}
_RENDERED_FRAMES = {"train": 900, "val": 180, "test": 180}
# Six seconds of each street, half a second apart: many streets, and frames that differ.
_RENDERED_CLIP_FRAMES, _RENDERED_FPS = 12, 2.0


def _open_rendered(path: Path | None, split: str) -> Dataset:
    """Scenes made on the spot, or those of a folder."""
    if path is not None:
        return _open_scenes(path, split)
    from edge_mtl.data.rendered import RenderedScenes

    return RenderedScenes(
        frames=_RENDERED_FRAMES[split],
        seed=_RENDERED_SEEDS[split],
        clip_frames=_RENDERED_CLIP_FRAMES,
        fps=_RENDERED_FPS,
    )


def _open_scenes(path: Path | None, split: str) -> Dataset:
    """The scenes of a folder: those of its part of the split where it has parts."""
    from edge_mtl.data.scene_folder import SceneFolder

    folder = _given(path, "scenes")
    part = folder / split
    return SceneFolder(part if part.is_dir() else folder)


READERS: dict[str, Reader] = {
    "camvid": Reader(_open_camvid, "camvid:DIR (with train/, trainannot/, val/, valannot/, ...)"),
    "coco": Reader(_open_coco, "coco:DIR (with annotations/, train2017/, val2017/)"),
    "cityscapes": Reader(_open_cityscapes, "cityscapes:DIR (with leftImg8bit/ and gtFine/)"),
    "bdd100k": Reader(_open_bdd100k, "bdd100k:DIR (with images/ and labels/)"),
    "yolo": Reader(_open_yolo, "yolo:DIR (with data.yaml or classes.txt)"),
    "images": Reader(_open_images, "images:DIR (without labels)"),
    "video": Reader(_open_video, "video:FILE (without labels)"),
    "scenes": Reader(_open_scenes, "scenes:DIR (what edge-mtl label -o DIR made)"),
    "rendered": Reader(
        _open_rendered, "rendered or rendered:DIR (what edge-mtl render -o DIR made)"
    ),
}
"""The data sets that can be named, by what stands before the colon."""
