"""A short clip of 1280x720: a real drive where there is one, scaled, else a rendered one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from trained_logits import CLIP, FRAME_SIZE


def write_clip(path: Path, frames: int) -> Path:
    """An MP4 of so many frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, FRAME_SIZE)
    for frame in _drive(frames):
        writer.write(cv2.resize(frame, FRAME_SIZE))
    writer.release()
    return path


def _drive(frames: int) -> Iterator[NDArray[np.uint8]]:
    if not CLIP.is_file():
        from edge_mtl.data.rendered import RenderedScenes

        scenes = RenderedScenes(frames, size=FRAME_SIZE)
        yield from (scenes.image(index) for index in range(frames))
        return
    from edge_mtl.data.video import Video

    video = Video(CLIP)
    yield from (video[index].image for index in range(frames))
