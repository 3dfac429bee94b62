"""A camera, read by a thread of its own: the newest frame wins, the rest are counted."""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from pathlib import Path
from typing import Any, Protocol

import cv2

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import Frame

_log = logging.getLogger(__name__)

_USUAL_FPS = 30.0
_PATIENCE_S = 3.0


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that a camera needs."""

    def read(self) -> tuple[bool, Any]:
        """Wait for the next frame: whether there is one, and the (H, W, 3) uint8 BGR image."""

    def release(self) -> None:
        """Release the device."""


class CameraSource:
    """Takes every frame from `capture` as it comes, so that none waits in a driver's queue.

    `read` gives the newest; those that came after the first `read` and that no `read` got are
    `dropped`. See `Source`.

    Args:
        name: for messages.
        capture: the open device. The source releases it.
        frames_per_second: the pace that the device announces.
        patience_s: how long `read` waits for a frame before it takes the camera for lost.
    """

    live = True
    length: int | None = None
    skipped = 0

    def __init__(
        self,
        name: str,
        capture: Capture,
        frames_per_second: float = _USUAL_FPS,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.name = name
        self.frames_per_second = frames_per_second
        self.dropped = 0
        self._capture = capture
        self._patience_s = patience_s
        self._newest: Frame | None = None
        self._reading = False
        self._lost = False
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name=f"camera {name}", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, device: str) -> CameraSource:
        """Open a camera by its index ("0") or device ("/dev/video0").

        Raises:
            EdgeMtlError: there is no such camera, or it cannot be opened.
        """
        path = Path(f"/dev/video{device}" if device.isdecimal() else device)
        if sys.platform == "linux" and not path.exists():
            found = ", ".join(map(str, sorted(Path("/dev").glob("video*")))) or "none"
            raise EdgeMtlError(
                f"camera {device}: expected the device {path}, found {found}; plug it in, or pass "
                "the device through to the container"
            )
        capture = cv2.VideoCapture(int(device) if device.isdecimal() else device)
        if not capture.isOpened():
            capture.release()
            raise EdgeMtlError(
                f"camera {device}: {path} is there but cannot be opened; is another program using "
                "it, and may you read it (group video)?"
            )
        # Where the driver knows it: one frame in its queue instead of four.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        return cls(device, capture, fps if math.isfinite(fps) and fps >= 1 else _USUAL_FPS)

    def read(self) -> Frame | None:
        """Wait for a frame that was not given out yet; None once the source is closed.

        Raises:
            EdgeMtlError: the camera gives no frames any more.
        """
        with self._changed:
            self._reading = True
            came = self._changed.wait_for(
                lambda: self._newest is not None or self._lost or self._closing, self._patience_s
            )
            frame, self._newest = self._newest, None
            if frame is None and not self._closing:
                why = "stopped giving frames" if came else f"gave none in {self._patience_s:g} s"
                raise EdgeMtlError(f"camera {self.name} {why}; is it still plugged in?")
            return frame

    def close(self) -> None:
        """End the thread and release the device."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(self._patience_s)
        if self._thread.is_alive():
            # Releasing the device while its driver is inside a read would crash.
            _log.warning("camera %s hangs in its driver and is left to it", self.name)
            return
        self._capture.release()

    def _watch(self) -> None:
        index = 0
        while not self._closing:
            there, image = self._capture.read()
            captured_ns = time.monotonic_ns()
            with self._changed:
                if not there:
                    self._lost = True
                else:
                    self.dropped += self._reading and self._newest is not None
                    self._newest = Frame(image, index, captured_ns)
                    index += 1
                self._changed.notify_all()
                if self._lost:
                    return
