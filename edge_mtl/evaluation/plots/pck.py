"""How many keypoints are found, by how near they must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_mtl.evaluation.plots.style import ACCENT, FADED, GRID, INK, picture
from edge_mtl.evaluation.pose import PCK_SHARE, PoseMeter, pck

_SHARES = np.linspace(0.0, 0.5, 101)


def plot_pck(path: Path, meter: PoseMeter, heading: str, subject: str) -> None:
    """Draw the PCK against its threshold, over all persons and over those whose box is found."""
    distances = meter.distances()
    found = distances[np.isfinite(distances).any(1)]
    with picture(path, (760, 520), heading, subject) as figure:
        axes = figure.subplots()
        for label, rows, colour, style in (
            ("persons whose box is found", found, FADED, "--"),
            ("all persons", distances, ACCENT, "-"),
        ):
            values = [100 * pck(rows, share) for share in _SHARES]
            at = 100 * pck(rows)
            axes.plot(_SHARES, values, color=colour, linestyle=style, linewidth=2, label=label)
            axes.plot(PCK_SHARE, at, "o", color=colour, markersize=7)
            axes.annotate(
                f"{at:.1f}", (PCK_SHARE, at), (6, -14), textcoords="offset points", color=INK
            )
        axes.axvline(PCK_SHARE, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.set_xlim(0, _SHARES[-1])
        axes.set_ylim(-1, 102)
        axes.grid(color=GRID)
        axes.set_xlabel("distance allowed, in longer sides of the person's box")
        axes.set_ylabel("keypoints found, %")
        axes.legend(loc="lower right")
