"""The annotated video."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.draw import Annotator
from edge_mtl.runtime.sinks.room import check_room
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

_log = logging.getLogger(__name__)

# In order of preference. OpenCV's wheels have no H.264 encoder (avc1), those of a system may.
_CODECS = {
    ".mp4": ("avc1", "mp4v"),
    ".mov": ("avc1", "mp4v"),
    ".mkv": ("mp4v",),
    ".avi": ("MJPG",),
}
_MUXERS = {
    ".mp4": "mp4mux fragment-duration=1000",
    ".mov": "qtmux fragment-duration=1000",
    ".mkv": "matroskamux",
}
"""Of GStreamer, for its H.264."""
_TEGRA = Path("/etc/nv_tegra_release")
_LONGEST_HOLD_S = 10.0


def is_video(path: Path) -> bool:
    """Whether a path ends like a video that `open_writer` can write."""
    return path.suffix.lower() in _CODECS


def open_writer(path: Path, frames_per_second: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """A writer with the best codec that can be encoded here; size is (width, height).

    On a Jetson whose OpenCV has GStreamer its hardware encodes; Orin Nano has no encoder, and falls
    back like any other machine.

    Raises:
        EdgeMtlError: there is none, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if _TEGRA.exists() and suffix in _MUXERS and _opencv_has_gstreamer():
        writer = cv2.VideoWriter(
            hardware_pipeline(path), cv2.CAP_GSTREAMER, 0, frames_per_second, size
        )
        if writer.isOpened():
            return writer
        writer.release()
        _log.warning("%s: the hardware encoder does not open, the CPU encodes", path)
    codecs = _CODECS[suffix]
    for codec in codecs:
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), frames_per_second, size)
        if writer.isOpened():
            return writer
        writer.release()
    raise EdgeMtlError(
        f"{path}: OpenCV {cv2.__version__} can encode none of {', '.join(codecs)} at "
        f"{size[0]}x{size[1]} there; try another folder, or another suffix of {', '.join(_CODECS)}"
    )


def _opencv_has_gstreamer() -> bool:
    return bool(cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER))


def hardware_pipeline(path: Path) -> str:
    """What GStreamer does with the frames on a Jetson: H.264 from its encoder, into `path`.

    Fragments of a second: an .mp4 is then playable up to the last one, however it ends.
    """
    location = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return (
        "appsrc ! videoconvert ! video/x-raw,format=BGRx ! nvvidconv ! "
        "video/x-raw(memory:NVMM),format=NV12 ! nvv4l2h264enc bitrate=8000000 insert-sps-pps=1 ! "
        f'h264parse ! {_MUXERS[path.suffix.lower()]} ! filesink location="{location}"'
    )


class VideoSink:
    """Writes a video of the annotated frames. It is playable once the sink is closed.

    An .mkv is playable whatever happens, also when the process is killed.

    Its size is that of the first frame; frames of another size are resized to it. What a live
    source dropped is made up for by showing the frame before longer, so that the video keeps time.

    Args:
        path: ends in .mp4, .mov, .mkv or .avi; an existing file is overwritten by the first frame.
        frames_per_second: the pace of the source.
        live: whether frames come at their own pace; see `Source`.
        annotate: draws the scenes; one for all sinks of a stream saves drawing them twice.

    Raises:
        UsageError: the path ends in something else.
        EdgeMtlError: the file cannot be written, or its disk has no room.
    """

    def __init__(
        self, path: Path, frames_per_second: float, live: bool, annotate: Annotator
    ) -> None:
        if not is_video(path):
            raise UsageError(
                f"{path}: expected a video that ends in {', '.join(_CODECS)}, found "
                f"{path.suffix or 'no suffix'!r}; rename it"
            )
        self._path = path
        self._frames_per_second = frames_per_second
        self._live = live
        self._annotate = annotate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._first_ns = 0
        self._written = 0
        self._resized = False
        self._made_file = not path.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
        except OSError as error:
            raise EdgeMtlError(
                f"{path}: expected a file that can be written, found: {error.strerror}; choose "
                "another place for the video"
            ) from None

    def write(self, scene: Scene, frame: Frame) -> None:
        """Append the annotated frame.

        Raises:
            EdgeMtlError: the disk is nearly full; the video can still be closed, and is playable.
        """
        check_room(self._path)  # OpenCV's writer tells nobody that a disk is full
        drawn = self._annotate(scene, frame.image)
        if self._writer is None:
            self._size = scene.size
            self._first_ns = frame.captured_ns
            self._writer = open_writer(self._path, self._frames_per_second, self._size)
        if scene.size != self._size:
            if not self._resized:
                self._resized = True
                _log.warning(
                    "%s: frames changed from %dx%d to %dx%d at frame %d; the video keeps its size",
                    self._path,
                    *self._size,
                    *scene.size,
                    scene.frame_index,
                )
            resized = cv2.resize(drawn, self._size, interpolation=cv2.INTER_AREA)
            drawn = np.asarray(resized, np.uint8)
        for _ in range(self._due(frame)):
            self._writer.write(drawn)
            self._written += 1

    def _due(self, frame: Frame) -> int:
        """How often this frame is to be written for the video to keep time."""
        if not self._live:
            return 1
        elapsed_s = (frame.captured_ns - self._first_ns) * 1e-9
        due = 1 + round(elapsed_s * self._frames_per_second) - self._written
        return max(0, min(due, round(_LONGEST_HOLD_S * self._frames_per_second)))

    def close(self) -> None:
        """Write the end of the file. Where no frame came, no new file is left behind."""
        if self._writer is not None:
            self._writer.release()
        elif self._made_file:
            self._path.unlink(missing_ok=True)
