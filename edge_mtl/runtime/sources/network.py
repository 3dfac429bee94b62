"""Streams of cameras on a network: RTSP, and HTTP with MJPEG or whatever FFmpeg can decode."""

from __future__ import annotations

from typing import Literal

import cv2

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import backends, gstreamer
from edge_mtl.runtime.sources.address import parse_options
from edge_mtl.runtime.sources.live import Capture, LiveOptions, LiveSource
from edge_mtl.runtime.sources.opencv_capture import FFMPEG_TRIES, OpenCvCapture, open_with_ffmpeg

_OPEN_S = 10.0
# No queue before the decoder, none for reordering beyond 0.1 s, and half a second (in
# microseconds) to find out what is in the stream: FFmpeg takes 5 s of it and gives the frames of
# that time afterwards, all of them late.
_LOW_LATENCY = (
    "fflags;nobuffer|flags;low_delay|max_delay;100000|probesize;1000000|analyzeduration;500000"
)


class HttpOptions(LiveOptions, frozen=True, kw_only=True):
    """What "http://..." and "https://..." understand behind their #.

    decode: "hardware" where there is a decoder, else software; or always "software".
    """

    decode: Literal["hardware", "software"] = "hardware"


class RtspOptions(HttpOptions, frozen=True, kw_only=True):
    """What "rtsp://..." and "rtsps://..." understand behind their #.

    transport: "udp" loses packets where the network is full, "tcp" never does.
    via: which library connects. "auto" is GStreamer on a Jetson, whose decoder FFmpeg does not
        know, and FFmpeg anywhere else.
    """

    transport: Literal["tcp", "udp"] = "tcp"
    via: Literal["auto", "ffmpeg", "gstreamer"] = "auto"


def open_http(address: str, options: str) -> LiveSource:
    """A source of "http://..." or "https://...".

    Raises:
        UsageError: an option is wrong.
    """
    parsed = parse_options(options, HttpOptions, address)
    return LiveSource(address, lambda: _open_ffmpeg(address, parsed, _LOW_LATENCY), parsed)


def open_rtsp(address: str, options: str) -> LiveSource:
    """A source of "rtsp://..." or "rtsps://...".

    Raises:
        UsageError: an option is wrong.
        EdgeMtlError: GStreamer was asked for and is missing.
    """
    parsed = parse_options(options, RtspOptions, address)
    on_jetson = backends.on_jetson()
    hardware = on_jetson and parsed.decode == "hardware"
    if parsed.via == "gstreamer" or (
        parsed.via == "auto" and hardware and backends.gstreamer() is not None
    ):
        return gstreamer.open_rtsp(address, parsed.transport, hardware, parsed)
    ffmpeg_options = f"{_LOW_LATENCY}|rtsp_transport;{parsed.transport}"
    return LiveSource(address, lambda: _open_ffmpeg(address, parsed, ffmpeg_options), parsed)


def _open_ffmpeg(address: str, options: HttpOptions, ffmpeg_options: str) -> Capture:
    hardware = options.decode == "hardware"
    parameters = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1e3 * _OPEN_S)),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1e3 * options.timeout)),
        cv2.CAP_PROP_HW_ACCELERATION,
        cv2.VIDEO_ACCELERATION_ANY if hardware else cv2.VIDEO_ACCELERATION_NONE,
    ]
    if hasattr(cv2, "CAP_PROP_N_THREADS"):  # not in JetPack 6
        # Each further thread would hold back a frame.
        parameters += [cv2.CAP_PROP_N_THREADS, 1]
    capture = open_with_ffmpeg(address, ffmpeg_options, parameters)
    if capture is None:
        raise EdgeMtlError(
            "no answer, or none that FFmpeg understands; are address, user and password right, and "
            "is it on the network?"
        )
    return OpenCvCapture(capture, options.timeout, tries=FFMPEG_TRIES)
