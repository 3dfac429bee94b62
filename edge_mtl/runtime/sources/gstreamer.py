"""Sources that GStreamer reads: pipelines of the user's, CSI cameras of a Jetson, RTSP there."""

from __future__ import annotations

import logging
import re
from typing import Annotated

import cv2
from msgspec import Meta

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources import backends
from edge_mtl.runtime.sources.address import masked, parse_options
from edge_mtl.runtime.sources.live import Capture, LiveOptions, LiveSource
from edge_mtl.runtime.sources.opencv_capture import OpenCvCapture

_log = logging.getLogger(__name__)

_TO_BGR = "videoconvert ! video/x-raw,format=BGR"
# Out of the memory of a Jetson's decoder or camera; videoconvert cannot read it.
_FROM_NVMM = f"nvvidconv ! video/x-raw,format=BGRx ! {_TO_BGR}"
# The newest frame, at once: the source has its own queue and drops by its own rule.
_APPSINK = {"drop": "true", "max-buffers": "1", "sync": "false"}
# OpenCV finds it by the second half of the name.
_SINK_NAME = "edge_mtl_appsink"


class CsiOptions(LiveOptions, frozen=True, kw_only=True):
    """What "csi:0" understands behind its #.

    width, height, fps: a mode of the sensor, or what the camera's processor scales it to.
    flip: of `nvvidconv`: 0 none, 2 by 180 degrees, 4 left to right, 6 upside down.
    """

    width: Annotated[int, Meta(ge=64, le=7680)] = 1280
    height: Annotated[int, Meta(ge=64, le=4320)] = 720
    fps: Annotated[int, Meta(ge=1, le=240)] = 30
    flip: Annotated[int, Meta(ge=0, le=7)] = 0


def open_gstreamer(address: str, options: str) -> LiveSource:
    """A source of "gst:ELEMENT ! ... [! appsink]".

    Raises:
        UsageError: an option is wrong, or there is no pipeline.
        EdgeMtlError: there is no GStreamer here.
    """
    parsed = parse_options(options, LiveOptions, address)
    text = address.partition(":")[2].strip()
    if not text:
        raise UsageError("gst: expected a pipeline, as in gst:videotestsrc is-live=true")
    return _open(address, with_appsink(text), parsed)


def open_csi(address: str, options: str) -> LiveSource:
    """A source of "csi:0", the number of a camera on a Jetson's CSI connectors.

    Raises:
        UsageError: an option or the number is wrong.
        EdgeMtlError: there is no GStreamer here.
    """
    parsed = parse_options(options, CsiOptions, address)
    sensor = address.partition(":")[2] or "0"
    if not sensor.isdecimal():
        raise UsageError(f"{address}: expected the number of a camera, as in csi:0")
    return _open(address, csi_pipeline(int(sensor), parsed), parsed, parsed.fps)


def open_rtsp(address: str, transport: str, hardware: bool, options: LiveOptions) -> LiveSource:
    """A source of "rtsp://...", through GStreamer; `hardware` takes a Jetson's decoder.

    Raises:
        EdgeMtlError: there is no GStreamer here.
    """
    return _open(address, rtsp_pipeline(address, transport, hardware), options)


def csi_pipeline(sensor: int, options: CsiOptions) -> str:
    """The pipeline of a CSI camera: frames of its processor, converted where they lie."""
    caps = (
        f"video/x-raw(memory:NVMM),format=NV12,width={options.width},height={options.height},"
        f"framerate={options.fps}/1"
    )
    convert = _FROM_NVMM.replace("nvvidconv", f"nvvidconv flip-method={options.flip}", 1)
    return f"nvarguscamerasrc sensor-id={sensor} ! {caps} ! {convert} ! {_appsink({})}"


def rtsp_pipeline(address: str, transport: str, hardware: bool) -> str:
    """The pipeline of an RTSP camera of any codec; sound is left out."""
    location = address.replace("\\", r"\\").replace('"', r"\"")
    source = (
        f'rtspsrc location="{location}" protocols={transport} latency=50 drop-on-latency=true '
        "tcp-timeout=5000000"
    )
    convert = _FROM_NVMM if hardware else _TO_BGR
    return f"{source} ! application/x-rtp,media=video ! decodebin ! {convert} ! {_appsink({})}"


def with_appsink(text: str) -> str:
    """A pipeline that ends in an appsink of BGR frames, and of the newest unless it says else."""
    last = re.search(r"!\s*appsink\b([^!]*)$", text)
    given = dict(re.findall(r"([\w-]+)\s*=\s*(\S+)", last[1])) if last else {}
    return f"{text[: last.start()].strip() if last else text} ! {_TO_BGR} ! {_appsink(given)}"


def _appsink(given: dict[str, str]) -> str:
    properties = {**_APPSINK, **given, "name": _SINK_NAME}
    return " ".join(["appsink", *(f"{key}={value}" for key, value in properties.items())])


def _open(
    address: str, pipeline: str, options: LiveOptions, frames_per_second: float = 30.0
) -> LiveSource:
    backends.need_gstreamer(masked(address))
    through = backends.gstreamer()
    name = masked(address)
    _log.info("%s: GStreamer through %s", name, through, extra={"camera": name})

    def open_capture() -> Capture:
        if through == "PyGObject":
            from edge_mtl.runtime.sources.gi_capture import GiCapture

            return GiCapture(pipeline, _SINK_NAME, options.timeout)
        return _open_in_opencv(pipeline, options.timeout)

    return LiveSource(address, open_capture, options, frames_per_second)


def _open_in_opencv(pipeline: str, timeout_s: float) -> Capture:
    # OpenCV 4.6 knows no time-out and refuses to be told of one; then the source's own must do.
    for parameters in ([cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1e3 * timeout_s)], []):
        capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER, parameters)
        if capture.isOpened():
            return OpenCvCapture(capture, timeout_s)
        capture.release()
    raise EdgeMtlError(
        "GStreamer cannot start the pipeline; GST_DEBUG=3 in the environment shows why"
    )
