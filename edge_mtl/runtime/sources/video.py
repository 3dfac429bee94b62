"""A video file, frame by frame, none dropped."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame

_log = logging.getLogger(__name__)

_USUAL_FPS = 25.0


class VideoSource:
    """Reads a file that OpenCV can decode; see `Source`.

    Raises:
        EdgeMtlError: the file is no video, or its first frame cannot be decoded.
    """

    live = False
    dropped = 0
    skipped = 0

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._capture = cv2.VideoCapture(str(path))
        opened = self._capture.isOpened()
        decoded, first = self._capture.read() if opened else (False, None)
        if not decoded:
            self._capture.release()
            found = "one without a readable frame" if opened else "a file that it cannot open"
            raise EdgeMtlError(
                f"{path}: expected a video that OpenCV {cv2.__version__} can decode, found {found} "
                f"({path.stat().st_size} bytes): it is damaged, no video, or needs converting: "
                f"ffmpeg -i {path} -c:v libx264 converted.mp4"
            )
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.frames_per_second = fps if math.isfinite(fps) and 0.1 <= fps <= 1000 else _USUAL_FPS
        frames = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length = frames if frames > 0 else None
        self._first: NDArray[Any] | None = first
        self._index = 0

    def read(self) -> Frame | None:
        """The next frame; None at the end. A file that ends early is logged."""
        if self._first is not None:
            decoded, image = True, self._first
            self._first = None
        else:
            decoded, image = self._capture.read()
        if not decoded:
            self._note_early_end()
            return None
        index = self._index
        self._index += 1
        return Frame(np.asarray(image, np.uint8), index, time.monotonic_ns())

    def _note_early_end(self) -> None:
        # Containers round their duration: a frame or two of a hundred may be missing from any.
        if self.length is not None and self._index < 0.98 * self.length - 2:
            _log.warning(
                "%s ended after %d of the %d frames that it announces: it is truncated or damaged",
                self.name,
                self._index,
                self.length,
            )

    def close(self) -> None:
        """Release the file."""
        self._capture.release()
