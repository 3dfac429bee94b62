"""Drives small enough to run through a bundle in a moment, and what their results have to say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_drive() -> Callable[[Path, int], None]:
    """Writes a video of so many frames of 96x64, by MJPEG: every frame by itself."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, writes the videos")

    def make(path: Path, frames: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (96, 64))
        for index in range(frames):
            picture = np.full((64, 96, 3), 80, np.uint8)
            picture[:, index % 96] = 7 * index % 256
            writer.write(picture)
        writer.release()

    return make


@pytest.fixture(scope="session")
def what_was_seen() -> Callable[[Path], list[dict[str, Any]]]:
    """The lines of a result without what differs from run to run: times."""

    def read(path: Path) -> list[dict[str, Any]]:
        scenes = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        times = ("captured_ns", "captured_at", "stages_ms")
        return [{key: scene[key] for key in scene if key not in times} for scene in scenes]

    return read
