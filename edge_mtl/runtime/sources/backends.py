"""Which libraries can open sources here: OpenCV with FFmpeg or GStreamer, or PyGObject."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal

from edge_mtl.errors import EdgeMtlError

GSTREAMER_REMEDY = (
    "sudo apt-get install python3-gi gir1.2-gstreamer-1.0 gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good, and make the virtual environment with --system-site-packages"
)


@functools.cache
def opencv_builds_in(library: str) -> bool:
    """Whether OpenCV was built with "FFMPEG", "GStreamer" or "v4l/v4l2".

    OpenCV's registry does not tell: it names GStreamer where only a plug-in could bring it.
    """
    import cv2

    lines = [line.split() for line in cv2.getBuildInformation().splitlines()]
    return any(line[:2] == [f"{library}:", "YES"] for line in lines)


@functools.cache
def pygobject() -> Any | None:
    """The module `gi.repository.Gst`, started; None where PyGObject or GStreamer is missing."""
    try:
        import gi

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
    except (ImportError, ValueError):
        return None
    Gst.init(None)
    return Gst


def gstreamer() -> Literal["OpenCV", "PyGObject"] | None:
    """What brings GStreamer here.

    PyGObject goes first: it says when a frame was captured, what is wrong with a pipeline, and
    which frames are damaged. OpenCV may be able too, as JetPack's and Debian's are; pip's is not.
    """
    if pygobject() is not None:
        return "PyGObject"
    return "OpenCV" if opencv_builds_in("GStreamer") else None


def need_gstreamer(name: str) -> None:
    """For a source that goes through GStreamer.

    Raises:
        EdgeMtlError: there is none.
    """
    if gstreamer() is None:
        raise EdgeMtlError(
            f"{name} needs GStreamer, which neither this OpenCV (pip's has none) nor PyGObject "
            f"brings: {GSTREAMER_REMEDY}"
        )


def on_jetson() -> bool:
    """Whether this is a Jetson with NVIDIA's Linux."""
    return Path("/etc/nv_tegra_release").exists()
