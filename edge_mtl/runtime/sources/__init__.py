"""Where frames come from, behind one protocol; adding a source is a file here and a row below."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError, UsageError


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    image: (H, W, 3) uint8 BGR; whoever reads the frame owns it.
    index: its number in the source, from 0; frames that were dropped or skipped are counted.
    captured_ns: when it was there (`time.monotonic_ns`).
    planes: by name, further images (H, W) uint8 that the source has of it.
    """

    image: NDArray[np.uint8]
    index: int
    captured_ns: int
    planes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


class Source(Protocol):
    """A sequence of frames.

    name: for messages and tables.
    live: whether frames come at their own pace and are dropped where nobody takes them in time.
    frames_per_second: the pace at which the frames were or are recorded; the usual one where the
        source does not know.
    length: how many frames there will be, where it is known.
    dropped: how many frames of a live source nobody took.
    skipped: how many pictures could not be read.
    """

    name: str
    live: bool
    frames_per_second: float
    length: int | None
    dropped: int
    skipped: int

    def read(self) -> Frame | None:
        """The next frame, or of a live source the newest; None at the end.

        Raises:
            EdgeMtlError: the source was lost.
        """

    def close(self) -> None:
        """Release the file or the device."""


def _open_rendered(text: str) -> Source:
    from edge_mtl.runtime.sources.rendered import RenderedSource

    return RenderedSource.parse(text)


def _open_camera(text: str) -> Source:
    from edge_mtl.runtime.sources.camera import CameraSource

    return CameraSource.open(text)


def _open_images(text: str) -> Source:
    from edge_mtl.runtime.sources.images import ImageSource

    return ImageSource(Path(text))


def _open_video(text: str) -> Source:
    from edge_mtl.runtime.sources.video import VideoSource

    return VideoSource(Path(text))


def _is_image(path: Path) -> bool:
    from edge_mtl.data.images import IMAGE_SUFFIXES

    return path.suffix.lower() in IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class _Kind:
    """A row of the table of sources; the first whose `matches` holds opens the text."""

    usage: str
    matches: Callable[[str], bool]
    open: Callable[[str], Source]


_KINDS = (
    _Kind(
        "rendered or rendered:seed=7,frames=300,width=640,height=384",
        lambda text: text.partition(":")[0] == "rendered",
        _open_rendered,
    ),
    _Kind(
        "a camera as 0 or /dev/video0",
        lambda text: text.isdecimal() or re.fullmatch(r"/dev/video\d+", text) is not None,
        _open_camera,
    ),
    _Kind(
        "a folder of images or one image",
        lambda text: Path(text).is_dir() or (Path(text).exists() and _is_image(Path(text))),
        _open_images,
    ),
    _Kind("a video file", lambda text: Path(text).exists(), _open_video),
)


def open_source(text: str) -> Source:
    """Open what `--source` names: a camera, a video file, a folder of images, or "rendered".

    Raises:
        UsageError: the text has the form of an address that no source knows.
        EdgeMtlError: there is no such file or camera, or it holds nothing that can be read.
    """
    for kind in _KINDS:
        if kind.matches(text):
            return kind.open(text)
    known = "; ".join(kind.usage for kind in _KINDS)
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]+(?=:)", text)
    if scheme is not None:
        near = _near(scheme[0], ["rendered"])
        raise UsageError(f"{text}: no source is called {scheme[0]!r}{near}; expected {known}")
    path = Path(text)
    names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    if len(path.parts) == 1:
        names.append("rendered")
    near = _near(path.name, names)
    raise EdgeMtlError(f"{text}: no such file or folder{near}; expected {known}")


def _near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""
