"""Cameras on USB, or whatever else Linux shows as a device of V4L2."""

from __future__ import annotations

import logging
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import cv2
from msgspec import Meta

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources.address import parse_options
from edge_mtl.runtime.sources.live import Capture, LiveOptions, LiveSource
from edge_mtl.runtime.sources.opencv_capture import OpenCvCapture

_log = logging.getLogger(__name__)

# Of a camera that stands still. OpenCV reads it at the first frame of the process, in seconds.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")

# The menu of V4L2_CID_EXPOSURE_AUTO.
_MANUAL_EXPOSURE, _AUTO_EXPOSURE = 1, 3


class CameraOptions(LiveOptions, frozen=True, kw_only=True):
    """What a camera understands behind its #; what is left out stays as the driver has it.

    fourcc: MJPG or YUYV, or another name of four letters that the driver knows. Cameras on USB 2
        reach their rate above 640x480 with MJPG only.
    width, height: in pixels.
    fps: frames a second.
    exposure: in milliseconds, or "auto".
    """

    fourcc: Annotated[str, Meta(min_length=4, max_length=4)] | None = None
    width: Annotated[int, Meta(ge=16, le=16384)] | None = None
    height: Annotated[int, Meta(ge=16, le=16384)] | None = None
    fps: Annotated[float, Meta(gt=0, le=1000)] | None = None
    exposure: Annotated[float, Meta(gt=0)] | Literal["auto"] | None = None


def open_camera(address: str, options: str) -> LiveSource:
    """A source of "0", "/dev/video0" or "/dev/v4l/by-id/...".

    Raises:
        UsageError: an option is wrong.
        EdgeMtlError: there is no such camera, unless an option says for how long to wait for it.
    """
    parsed = parse_options(options, CameraOptions, address)
    if parsed.give_up is None:
        _find(address)
    return LiveSource(address, lambda: _connect(address, parsed), parsed, parsed.fps or 30.0)


def _find(address: str) -> Path:
    path = Path(f"/dev/video{address}" if address.isdecimal() else address)
    if sys.platform == "linux" and not path.exists():
        found = ", ".join(map(str, sorted(Path("/dev").glob("video*")))) or "none"
        raise EdgeMtlError(
            f"camera {address}: expected the device {path}, found {found}; plug it in, or pass the "
            "device through to the container"
        )
    return path


def _connect(address: str, options: CameraOptions) -> Capture:
    path = _find(address)
    api = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    capture = cv2.VideoCapture(int(address) if address.isdecimal() else address, api)
    if not capture.isOpened():
        capture.release()
        raise EdgeMtlError(
            f"{path} is there but cannot be opened; is another program using it, and may you read "
            "it (group video)?"
        )
    # Where the driver knows it: one frame in its queue instead of four.
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    refused = _configure(capture, options)
    if refused:
        fields = {"camera": address, "refused": refused}
        _log.warning("camera %s refused: %s", address, "; ".join(refused), extra=fields)
    return OpenCvCapture(capture, options.timeout, stamped=True)


def _configure(capture: cv2.VideoCapture, options: CameraOptions) -> list[str]:
    """Set what was asked for; what the driver has instead, in words."""
    refused = []
    # The format first: sizes and rates are the format's.
    if options.fourcc is not None:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.fourcc))
        code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        found = code.to_bytes(4, "little").decode("ascii", "replace")
        if found != options.fourcc:
            refused.append(f"fourcc={options.fourcc}, it has {found}")
    exposure_ms = options.exposure
    if exposure_ms is not None:
        mode = _AUTO_EXPOSURE if exposure_ms == "auto" else _MANUAL_EXPOSURE
        if not capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, mode):
            refused.append("exposure: it has no such mode")
    numbers = {
        "width": (cv2.CAP_PROP_FRAME_WIDTH, options.width, 1),
        "height": (cv2.CAP_PROP_FRAME_HEIGHT, options.height, 1),
        "fps": (cv2.CAP_PROP_FPS, options.fps, 1),
        # V4L2_CID_EXPOSURE_ABSOLUTE is in tenths of a millisecond.
        "exposure": (cv2.CAP_PROP_EXPOSURE, None if exposure_ms == "auto" else exposure_ms, 10),
    }
    for code, value, scale in numbers.values():
        if value is not None:
            capture.set(code, value * scale)
    for key, (code, value, scale) in numbers.items():
        if value is not None:
            has = float(capture.get(code)) / scale
            if not math.isclose(has, value, rel_tol=0.02):
                refused.append(f"{key}={value:g}, it has {has:g}")
    return refused
