"""What the answers of a task hang on, over the picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray

from edge_mtl.evaluation.attribution import Attribution
from edge_mtl.evaluation.plots.style import picture

COLUMNS = 3
"""Panels side by side, at most; the first one of all is the picture itself."""

_PANEL_PX, _CAPTION_PX = 480, 28
_GAMMA = 0.7  # shows what is weaker than the strongest pixel, too


def plot_attributions(
    path: Path,
    image: NDArray[np.uint8],
    found: Sequence[Attribution],
    heading: str,
    subject: str,
) -> None:
    """Draw the picture (BGR) and, over it, the heat of every answer; bright is what matters."""
    height, width = image.shape[:2]
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2RGB) / 255
    columns = min(COLUMNS, 1 + len(found))
    rows = -(-(1 + len(found)) // columns)
    panel = _PANEL_PX * height // width
    size = columns * _PANEL_PX + 40, rows * (panel + _CAPTION_PX) + 80
    with picture(path, size, heading, subject) as figure:
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for axes in panels:
            axes.set_axis_off()
        panels[0].imshow(image[..., ::-1])
        panels[0].set_title("picture", pad=4)
        for axes, each in zip(list(panels)[1:], found, strict=False):
            heat = cv2.resize(each.heat, (width, height)) ** _GAMMA
            colour = matplotlib.colormaps["inferno"](heat)[..., :3]
            axes.imshow(np.clip(0.4 * grey + 0.8 * colour, 0, 1))
            axes.set_title(each.answer, pad=4)
