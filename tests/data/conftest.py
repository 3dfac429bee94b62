"""Pictures for data sets that the tests write in public formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

SaveImage = Callable[..., None]


@pytest.fixture
def save_image() -> SaveImage:
    """Writes a picture of one grey, 64x48 px where nothing else is said, with its folders."""

    def save(path: Path, width: int = 64, height: int = 48, grey: int = 90) -> None:
        save_array(path, np.full((height, width, 3), grey, np.uint8))

    return save


@pytest.fixture
def save_mask() -> Callable[[Path, np.ndarray], None]:
    """Writes an array as a PNG file, with its folders."""
    return save_array


def save_array(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), array)
