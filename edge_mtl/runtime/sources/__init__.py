"""Where frames come from, behind one protocol; adding a source is a file here and a row below."""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources.address import masked, refuse_options, split_options
from edge_mtl.runtime.sources.camera_name import split_name

State = Literal["connecting", "live", "lost", "ended"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    image: (H, W, 3) uint8 BGR; whoever reads the frame owns it, and its memory is used again only
        when nothing refers to it any more.
    index: its number in the source, from 0; frames that were dropped or skipped are counted.
    captured_ns: when it was there (`time.monotonic_ns`).
    planes: by name, further images (H, W) uint8 that the source has of it.
    camera: of several, the one that it is of; empty where there is one.
    """

    image: NDArray[np.uint8]
    index: int
    captured_ns: int
    planes: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    camera: str = ""


_counting = threading.Lock()


@dataclass(slots=True)
class Health:
    """How a source does. It may be read from any thread.

    state: "connecting" until the first frame, "live", "lost" while it is being connected again, or
        "ended" by itself, by an error or by `close`.
    reason: why it is not live; empty where there is nothing to say.
    since_ns: when it came into its state (`time.monotonic_ns`).
    dropped: frames of a live source that nobody took in time.
    skipped: pictures that could not be read: damaged files, corrupt frames.
    reconnects: how often it was lost and came back.
    resolution_changes: how often its frames changed their size.
    """

    state: State = "live"
    reason: str = ""
    since_ns: int = field(default_factory=time.monotonic_ns)
    dropped: int = 0
    skipped: int = 0
    reconnects: int = 0
    resolution_changes: int = 0

    @property
    def for_s(self) -> float:
        """For how long it has been in its state."""
        return (time.monotonic_ns() - self.since_ns) / 1e9

    def enter(self, state: State, reason: str = "") -> None:
        """Note the state; the end is final."""
        if self.state == "ended":
            return
        self.reason = reason
        if state != self.state:
            self.since_ns = time.monotonic_ns()
            self.state = state

    def drop(self, frames: int) -> None:
        """Count frames that nobody took in time; from any thread, for a frame may be late at more
        than one place on its way."""
        if frames:
            with _counting:
                self.dropped += frames

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings, with `for_s` in place of `since_ns`."""
        return {
            "state": self.state,
            "for_s": self.for_s,
            "reason": self.reason,
            "dropped": self.dropped,
            "skipped": self.skipped,
            "reconnects": self.reconnects,
            "resolution_changes": self.resolution_changes,
        }


class Source(Protocol):
    """A sequence of frames.

    name: for messages and tables, without passwords.
    live: whether frames come at their own pace and are dropped where nobody takes them in time.
    frames_per_second: the pace at which the frames were or are recorded; the usual one where the
        source does not know (yet).
    length: how many frames there will be, where it is known.
    health: how it does, with its counters.
    """

    name: str
    live: bool
    frames_per_second: float
    length: int | None
    health: Health

    def read(self) -> Frame | None:
        """The next frame, or of a live source the newest; None at the end.

        Raises:
            EdgeMtlError: the source was lost for good.
        """

    def stop(self) -> None:
        """Let a `read` that waits return None, and all later ones. Does not wait.

        May be called from any thread and from a signal handler.
        """

    def close(self) -> None:
        """Release the file or the device."""


def _open_rendered(address: str, options: str) -> Source:
    from edge_mtl.runtime.sources.rendered import RenderedSource

    return RenderedSource.parse(address, options)


def _open_camera(address: str, options: str) -> Source:
    from edge_mtl.runtime.sources.camera import open_camera

    return open_camera(address, options)


def _open_csi(address: str, options: str) -> Source:
    from edge_mtl.runtime.sources.gstreamer import open_csi

    return open_csi(address, options)


def _open_gstreamer(address: str, options: str) -> Source:
    from edge_mtl.runtime.sources.gstreamer import open_gstreamer

    return open_gstreamer(address, options)


def _open_rtsp(address: str, options: str) -> Source:
    from edge_mtl.runtime.sources.network import open_rtsp

    return open_rtsp(address, options)


def _open_http(address: str, options: str) -> Source:
    from edge_mtl.runtime.sources.network import open_http

    return open_http(address, options)


def _open_images(address: str, options: str) -> Source:
    from edge_mtl.runtime.sources.images import ImageSource

    refuse_options(options, address)
    return ImageSource(Path(address))


def _open_video(address: str, options: str) -> Source:
    from edge_mtl.runtime.sources.video import VideoSource

    refuse_options(options, address)
    return VideoSource(Path(address))


def _has_scheme(*schemes: str) -> Callable[[str], bool]:
    return lambda address: address.partition(":")[0] in schemes


def _is_image(path: Path) -> bool:
    from edge_mtl.data.images import IMAGE_SUFFIXES

    return path.suffix.lower() in IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class _Kind:
    """A row of the table of sources; the first whose `matches` holds opens the address.

    usage: for messages.
    open: of the address and the options, as `address.split_options` parts them.
    """

    usage: str
    matches: Callable[[str], bool]
    open: Callable[[str, str], Source]


_KINDS = (
    _Kind(
        "rendered or rendered#seed=7,frames=300,width=640,height=384",
        _has_scheme("rendered"),
        _open_rendered,
    ),
    _Kind(
        "a camera as 0 or /dev/video0",
        lambda text: (
            text.isdecimal() or re.fullmatch(r"/dev/(video\d+|v4l/by-\w+/.+)", text) is not None
        ),
        _open_camera,
    ),
    _Kind("csi:0 on a Jetson", _has_scheme("csi"), _open_csi),
    _Kind("rtsp://...", _has_scheme("rtsp", "rtsps"), _open_rtsp),
    _Kind("http://...", _has_scheme("http", "https"), _open_http),
    _Kind("gst:PIPELINE", _has_scheme("gst"), _open_gstreamer),
    _Kind(
        "a folder of images or one image",
        lambda text: Path(text).is_dir() or (Path(text).exists() and _is_image(Path(text))),
        _open_images,
    ),
    _Kind("a video file", lambda text: Path(text).exists(), _open_video),
)
_SCHEMES = ("rendered", "csi", "rtsp", "rtsps", "http", "https", "gst")


def open_source(text: str, rate: float | None = None) -> Source:
    """Open what `--source` names: an address and, behind a #, options; see docs/sources.md.

    A camera or a stream is connected by a thread of its own, not before this returns. With the
    option `name` the source is called so.

    Args:
        rate: frames a second at which a file, a folder or "rendered" plays, as a camera would.

    Raises:
        UsageError: the text has the form of an address that no source knows, an option is wrong,
            or a rate is given for a source that has its own.
        EdgeMtlError: there is no such file or camera, or it holds nothing that can be read.
    """
    text, name = split_name(text)
    source = _open(text)
    if name is not None:
        source.name = name
    if rate is None:
        return source
    if source.live:
        source.close()
        raise UsageError(f"{source.name} has a rate of its own; --rate is for files and folders")
    from edge_mtl.runtime.sources.paced import PacedSource

    return PacedSource(source, rate)


def _open(text: str) -> Source:
    address, options = split_options(text)
    for kind in _KINDS:
        if kind.matches(address):
            return kind.open(address, options)
    known = "; ".join(kind.usage for kind in _KINDS)
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]+(?=:)", address)
    if scheme is not None:
        near = _near(scheme[0], list(_SCHEMES))
        raise UsageError(
            f"{masked(address)}: no source is called {scheme[0]!r}{near}; expected {known}"
        )
    path = Path(address)
    names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    if len(path.parts) == 1:
        names.append("rendered")
    near = _near(path.name, names)
    raise EdgeMtlError(f"{masked(address)}: no such file or folder{near}; expected {known}")


def _near(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""
