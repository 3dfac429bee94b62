"""A capture of OpenCV: devices of V4L2, and streams that FFmpeg or GStreamer decode."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.runtime.sources.image_pool import ImagePool

FFMPEG_TRIES = 100
"""For `OpenCvCapture`: so many damaged frames in a row are passed over."""

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# A driver's time stamp that is older than this is of another clock.
_OLDEST_S = 2.0


class OpenCvCapture:
    """A `Capture` of an open `cv2.VideoCapture`, which it releases.

    Args:
        timeout_s: what took longer than this is no frame but the last one of a decoder that ran
            dry; FFmpeg gives those when a stream stands still.
        stamped: whether CAP_PROP_POS_MSEC is when the driver got the frame, as it is with V4L2.
        tries: at how many failures in a row the end is believed. With FFmpeg each frame that
            cannot be decoded is one.
    """

    def __init__(
        self,
        capture: cv2.VideoCapture,
        timeout_s: float = math.inf,
        stamped: bool = False,
        tries: int = 1,
    ) -> None:
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self.frames_per_second = fps if math.isfinite(fps) and 1 <= fps <= 1000 else None
        self._capture = capture
        self._timeout_s = timeout_s
        self._stamped = stamped
        self._tries = tries
        # How many damaged frames are to be told of before the one that was grabbed behind them.
        self._damaged = 0
        self._grabbed_ns = 0
        self._pool = ImagePool()
        self._size = 1, 1

    def grab(self) -> int | None:
        """See `Capture`."""
        if self._damaged:
            self._damaged -= 1
            return self._grabbed_ns
        start_ns = time.monotonic_ns()
        for failures in range(self._tries):
            grabbed = self._capture.grab()
            now_ns = time.monotonic_ns()
            if now_ns - start_ns > 1e9 * self._timeout_s:
                return None
            if grabbed:
                self._damaged = failures
                self._grabbed_ns = self._stamp_ns(now_ns)
                return self._grabbed_ns
        return None

    def retrieve(self) -> NDArray[np.uint8] | None:
        """See `Capture`."""
        if self._damaged:
            return None
        into = self._pool.take(*self._size)
        decoded, image = self._capture.retrieve(into)
        if not decoded or image is None:
            return None
        # OpenCV writes into an image of the right size and makes another for any other.
        if image is not into and image.ndim == 3:
            self._size = image.shape[0], image.shape[1]
        found: NDArray[np.uint8] = image
        return found

    def release(self) -> None:
        """See `Capture`."""
        self._capture.release()

    def _stamp_ns(self, now_ns: int) -> int:
        if self._stamped:
            # V4L2 stamps with the monotonic clock of the system, as Python does.
            stamp_ns = int(1e6 * self._capture.get(cv2.CAP_PROP_POS_MSEC))
            if 0 <= now_ns - stamp_ns <= 1e9 * _OLDEST_S:
                return stamp_ns
        return now_ns


class _FfmpegOptions:
    """The environment variable from which OpenCV takes FFmpeg's options, at every open.

    Threads that open with the same options do so side by side; one with others waits for them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value = ""
        self._openings = 0

    @contextmanager
    def set_to(self, value: str) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._openings or self._value == value)
            self._openings += 1
            self._value = value
            os.environ[_OPTIONS] = value
        try:
            yield
        finally:
            with self._changed:
                self._openings -= 1
                if not self._openings:
                    del os.environ[_OPTIONS]
                self._changed.notify_all()


_ffmpeg_options = _FfmpegOptions()
# What the user has set stands for all streams.
_users_options = os.environ.get(_OPTIONS)
# Without this an open of OpenCV waits for every other one, and so for cameras that do not answer.
# FFmpeg has been safe in this respect since its version 4.
os.environ.setdefault("OPENCV_FFMPEG_IS_THREAD_SAFE", "1")
if "OPENCV_LOG_LEVEL" not in os.environ and hasattr(cv2.utils, "logging"):
    # Its warnings repeat at every try what a source says once; FFmpeg's lines, which have the
    # reason, are written all the same.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def open_with_ffmpeg(address: str, options: str, parameters: list[int]) -> cv2.VideoCapture | None:
    """Open an address with FFmpeg; None where it cannot be.

    Args:
        options: of FFmpeg, as key;value with | between. A variable OPENCV_FFMPEG_CAPTURE_OPTIONS
            that was set before the program started replaces them.
        parameters: CAP_PROP_* and values in turn.
    """
    if _users_options is not None:
        capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, parameters)
    else:
        with _ffmpeg_options.set_to(options):
            capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, parameters)
    if capture.isOpened():
        return capture
    capture.release()
    return None
