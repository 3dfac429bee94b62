"""What all plots have in common: sizes, colours and headings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.palette import tints_of

INK, FADED, GRID = "#1f2933", "#65727f", "#e3e7eb"
ACCENT, WRONG = "#1f6fb2", "#ff2bd6"
SEQUENTIAL = "Blues"
"""The colour map of shares from 0 to 1."""

_DPI = 100
_NEUTRAL = "#9aa5b1"
_HEADING_PX, _MARGIN_PX = 60, 14
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": _NEUTRAL,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "xtick.color": FADED,
    "ytick.color": FADED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}


@contextmanager
def picture(path: Path, size: tuple[int, int], heading: str, subject: str) -> Iterator[Figure]:
    """A figure to draw in; it becomes the PNG `path` at the end of the block.

    Args:
        size: (width, height) in pixels, with the heading.
        heading: what is shown, in a few words.
        subject: the second line: of which network, on which data.

    Raises:
        EdgeMtlError: the file cannot be written.
    """
    width, height = size
    left = _MARGIN_PX / width
    with matplotlib.rc_context(_STYLE):
        layout = ConstrainedLayoutEngine(
            rect=(left, 0.01, 1 - 2 * left, 0.99 - _HEADING_PX / height)
        )
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout=layout)
        figure.text(
            left, 1 - 12 / height, heading, size=13, weight="bold", va="top", in_layout=False
        )
        figure.text(left, 1 - 36 / height, subject, color=FADED, va="top", in_layout=False)
        yield figure
        try:
            figure.savefig(path, format="png")
        except OSError as error:
            raise EdgeMtlError(
                f"{path}: expected a file that can be written, found: {error.strerror}; choose "
                "another folder for the plots"
            ) from None


def colours_of(classes: Sequence[str]) -> list[str]:
    """The colours, as #rrggbb, in which the classes are drawn everywhere; grey for the rest."""
    return [
        "#{:02x}{:02x}{:02x}".format(*tint.rgb) if tint.cover else _NEUTRAL
        for tint in tints_of(classes)
    ]
