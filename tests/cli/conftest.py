"""What the tests of the command line look at its files with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def count_frames() -> Callable[[Path], int]:
    """How many frames of a video can be decoded."""
    import cv2  # not every subcommand needs it

    def count(path: Path) -> int:
        capture = cv2.VideoCapture(str(path))
        found = 0
        while capture.read()[0]:
            found += 1
        return found

    return count


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More frames than go through before a signal comes: some seconds' worth."""
    import cv2
    import numpy as np

    path = tmp_path_factory.mktemp("long") / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (96, 64))
    for _ in range(4000):
        writer.write(np.zeros((64, 96, 3), np.uint8))
    writer.release()
    return path
