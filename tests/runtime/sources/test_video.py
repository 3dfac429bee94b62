"""A video file beside network cameras."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_mtl.runtime.sources import opencv_capture
from edge_mtl.runtime.sources.video import VideoSource


def test_a_file_does_not_take_the_options_of_a_camera_that_opens_meanwhile(
    tiny_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With those of low latency a file lost its last frame, in nine runs of twelve."""
    options = []
    opened = cv2.VideoCapture

    def open_and_note(*arguments: Any) -> cv2.VideoCapture:
        options.append(os.environ.get("OPENCV_FFMPEG_CAPTURE_OPTIONS"))
        return opened(*arguments)

    monkeypatch.setattr(cv2, "VideoCapture", open_and_note)
    opening = threading.Event()

    def open_a_camera() -> None:
        with opencv_capture._ffmpeg_options.set_to("flags;low_delay"):
            opening.set()
            time.sleep(0.1)

    camera = threading.Thread(target=open_a_camera)
    camera.start()
    assert opening.wait(5)
    VideoSource(tiny_video).close()
    camera.join()
    assert options == [""]
