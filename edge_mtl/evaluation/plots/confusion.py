"""Which classes are taken for which: a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mtl.evaluation.plots.style import FADED, GRID, INK, SEQUENTIAL, picture

_CELL_PX, _SMALL_CELL_PX, _LEGIBLE_CLASSES = 46, 14, 30


def plot_confusion(
    path: Path, confusion: NDArray[np.int64], classes: Sequence[str], heading: str, subject: str
) -> None:
    """Draw counts (C, C), rows: labelled, columns: found, as shares of what is labelled.

    Rows of classes that no label holds stay empty. Shares that round to 0 % have no number.
    """
    wanted = confusion.sum(1)
    shares = confusion / np.maximum(1, wanted[:, None])
    count = len(classes)
    legible = count <= _LEGIBLE_CLASSES
    side = count * (_CELL_PX if legible else _SMALL_CELL_PX)
    names = max(map(len, classes)) * 7
    with picture(path, (max(side + names + 190, 600), side + names + 120), heading, subject) as f:
        axes = f.subplots()
        image = axes.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1)
        held = wanted / max(1, wanted.sum())
        rows = [
            f"{name}  {_percent(share)}" if total else f"{name}  none"
            for name, share, total in zip(classes, held, wanted, strict=True)
        ]
        turn, size = (45, 10) if legible else (90, 8)
        axes.set_xticks(
            range(count), classes, rotation=turn, ha="right", va="center", rotation_mode="anchor"
        )
        axes.set_yticks(range(count), rows)
        axes.tick_params(labelsize=size)
        for label, total in zip(axes.get_yticklabels(), wanted, strict=True):
            label.set_color(INK if total else FADED)
        axes.set_xticks(np.arange(0.5, count - 1), minor=True)
        axes.set_yticks(np.arange(0.5, count - 1), minor=True)
        axes.grid(which="minor", color=GRID)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("found")
        axes.set_ylabel("labelled (share of all)")
        if legible:
            for row, column in np.argwhere(shares >= 0.005):
                share = shares[row, column]
                axes.text(
                    column,
                    row,
                    f"{100 * share:.0f}",
                    ha="center",
                    va="center",
                    size=9,
                    weight="bold" if row == column else "normal",
                    color="white" if share > 0.5 else INK,
                )
        bar = f.colorbar(image, ax=axes, shrink=0.6, aspect=30, pad=0.02)
        bar.set_ticks([0, 0.5, 1], labels=["0 %", "50 %", "100 %"])
        bar.outline.set_visible(False)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "<0.1 %"
