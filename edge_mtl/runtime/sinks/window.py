"""The annotated frames in a window."""

from __future__ import annotations

import os
import sys

import cv2

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.draw import Annotator
from edge_mtl.runtime.sinks import StreamEnded
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

_ESCAPE = 27


class WindowSink:
    """Shows the annotated frames as they come; q, Escape or closing the window ends the stream.

    The window opens with the first frame.

    Raises:
        EdgeMtlError: there is no display.
    """

    def __init__(self, title: str, annotate: Annotator) -> None:
        # Asked first: without a display OpenCV's window toolkit ends the whole process.
        if sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise EdgeMtlError(
                "--show needs a display, found none (DISPLAY and WAYLAND_DISPLAY are empty); "
                "write a video with --save out.mp4 instead"
            )
        # Qt complains about missing fonts, and about a thread that is not the main one.
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
        self._title = title
        self._annotate = annotate
        self._opened = False

    def write(self, scene: Scene, frame: Frame) -> None:
        """Show the annotated frame.

        Raises:
            StreamEnded: q or Escape was pressed, or the window was closed.
            EdgeMtlError: OpenCV was built without windows.
        """
        if not self._opened:
            self._open()
        cv2.imshow(self._title, self._annotate(scene, frame.image))
        key = cv2.waitKey(1) & 0xFF
        if key in (ord("q"), _ESCAPE):
            raise StreamEnded
        if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            raise StreamEnded

    def _open(self) -> None:
        # Here and not at first: all of a window belongs to one thread, the one that writes.
        try:
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise EdgeMtlError(
                f"--show needs an OpenCV with windows, this one has none ({error.err}): "
                "pip install opencv-python instead of opencv-python-headless"
            ) from None
        self._opened = True

    def close(self) -> None:
        """Close the window."""
        if self._opened:
            cv2.destroyWindow(self._title)
