"""Frames and scenes to write, for the tests of every sink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Classification, Detections, Mask, Poses, Scene


def make_frame(index: int, size: tuple[int, int] = (96, 64), captured_ns: int = 0) -> Frame:
    return Frame(np.full((size[1], size[0], 3), 90, np.uint8), index, captured_ns)


def make_scene(of: Frame) -> Scene:
    height, width = of.image.shape[:2]
    boxes = np.array([[1, 2, 30, 40]], np.float32)
    found = Detections(("car",), boxes, np.array([0.75], np.float32), np.array([0], np.int32))
    mask = Mask(("Road", "Sky"), np.zeros((height, width), np.uint8))
    points, seen = np.array([[[5.25, -1]]], np.float32), np.array([[0.5]], np.float32)
    time = Classification(("day", "night"), np.array([0.75, 0.25], np.float32))
    return Scene(
        (width, height),
        {"detection": found},
        {"classes": mask},
        {"pose": Poses(("head",), np.zeros(1, np.int32), points, seen)},
        {"time": time},
        of.index,
    )


@pytest.fixture
def frame() -> Callable[..., Frame]:
    """Makes a grey frame of a number, a size and a time of capture."""
    return make_frame


@pytest.fixture
def scene() -> Callable[[Frame], Scene]:
    """Makes the scene of a frame, with something of every kind of task."""
    return make_scene
