"""How the figures of the documents look, and where they are written."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

OURS, OTHER, QUIET, WARNING = "#00796b", "#d84315", "#9e9e9e", "#c62828"
IMAGES = Path(__file__).parents[2] / "docs" / "images"

matplotlib.rcParams |= {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": "#e0e0e0",
    "svg.fonttype": "path",  # nobody's fonts decide what a figure looks like
    "svg.hashsalt": "edge-mtl",
}


def new_figure(width: float, height: float) -> Figure:
    """Of so many inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, name: str) -> None:
    """As `name`, with its suffix, among the images of the documents."""
    path = IMAGES / name
    svg = path.suffix == ".svg"
    figure.savefig(path, dpi=110, metadata={"Date": None} if svg else None)
    print(path)
