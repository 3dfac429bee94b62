from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("matplotlib", reason="matplotlib, of the extra plots, is not installed")

Places = Callable[..., NDArray[np.int64]]


@pytest.fixture
def places() -> Places:
    """Gives the (row, column) of all pixels of a PNG that have a colour, #rrggbb, or nearly."""

    def find(path: Path, colour: str, within: int = 2) -> NDArray[np.int64]:
        image = cv2.imread(str(path)).astype(int)
        bgr = [int(colour[i : i + 2], 16) for i in (5, 3, 1)]
        return np.argwhere((np.abs(image - bgr) <= within).all(2))

    return find
