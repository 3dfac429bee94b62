"""A video file, frame by frame, none dropped."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from pathlib import Path

import cv2

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame, Health
from edge_mtl.runtime.sources.opencv_capture import FFMPEG_TRIES, OpenCvCapture, open_with_ffmpeg

_log = logging.getLogger(__name__)

_USUAL_FPS = 25.0


class VideoSource:
    """Reads a file that OpenCV can decode; see `Source`.

    Raises:
        EdgeMtlError: the file is no video, or its first frame cannot be decoded.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.health = Health()
        opened = _open(path)
        self._capture = OpenCvCapture(opened, tries=FFMPEG_TRIES)
        self._index = 0
        first = self._next()
        if first is None:
            there = opened.isOpened()
            self._capture.release()
            found = "one without a readable frame" if there else "a file that it cannot open"
            raise EdgeMtlError(
                f"{path}: expected a video that OpenCV {cv2.__version__} can decode, found {found} "
                f"({path.stat().st_size} bytes): it is damaged, no video, or needs converting: "
                f"ffmpeg -i {path} -c:v libx264 converted.mp4"
            )
        self._first: Frame | None = first
        self._size = first.image.shape
        # A time-lapse has less than a frame a second.
        fps = float(opened.get(cv2.CAP_PROP_FPS))
        self.frames_per_second = fps if math.isfinite(fps) and 0.1 <= fps <= 1000 else _USUAL_FPS
        frames = int(opened.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length = frames if frames > 0 else None

    def read(self) -> Frame | None:
        """The next frame; None at the end. A file that ends early is logged, and is the reason in
        `health`."""
        if self._first is not None:
            frame, self._first = self._first, None
            return replace(frame, captured_ns=time.monotonic_ns())
        following = self._next()
        if following is None:
            self.health.enter("ended", self._early_end())
            if self.health.reason:
                extra = {"camera": self.name, "frames": self._index, "announced": self.length}
                _log.warning("%s %s", self.name, self.health.reason, extra=extra)
            return None
        if following.image.shape != self._size:
            self._size = following.image.shape
            self.health.resolution_changes += 1
        return following

    def _next(self) -> Frame | None:
        """The next frame that can be decoded; the others are counted."""
        while (captured_ns := self._capture.grab()) is not None:
            image = self._capture.retrieve()
            index = self._index
            self._index += 1
            if image is not None:
                return Frame(image, index, captured_ns)
            self.health.skipped += 1
            if self.health.skipped == 1:
                _log.warning(
                    "%s: frame %d cannot be decoded; such are dropped",
                    self.name,
                    index,
                    extra={"camera": self.name, "frame": index},
                )
        return None

    def _early_end(self) -> str:
        # Containers round their duration: a frame or two of a hundred may be missing from any.
        if self.length is None or self._index >= 0.98 * self.length - 2:
            return ""
        return (
            f"ended after {self._index} of the {self.length} frames that it announces: it is "
            "truncated or damaged"
        )

    def stop(self) -> None:
        """A read does not wait."""

    def close(self) -> None:
        """Release the file."""
        self._capture.release()


def _open(path: Path) -> cv2.VideoCapture:
    """By a decoder of the machine where there is one for the file, else by software."""
    hardware = [cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_ANY]
    # Those of a network camera that opens meanwhile would cost the file its last frames.
    capture = open_with_ffmpeg(str(path), "", hardware)
    # Without FFmpeg in this OpenCV, or with an acceleration that fails, whatever else reads it.
    return cv2.VideoCapture(str(path)) if capture is None else capture
