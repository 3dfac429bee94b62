"""One figure a name: bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.patheffects import withStroke

from edge_mtl.evaluation.plots.style import FADED, INK, picture

_BAR_PX = 30


def plot_bars(
    path: Path,
    values: Mapping[str, float],
    colours: Sequence[str] | str,
    mean: tuple[str, float],
    heading: str,
    subject: str,
) -> None:
    """Draw values in [0, 1] as horizontal bars in their order, top to bottom, in percent.

    colours: of each bar, or of all.
    mean: a name and a value for a line across.
    """
    size = 760, _BAR_PX * len(values) + 150
    with picture(path, size, heading, subject) as figure:
        axes = figure.subplots()
        rows = range(len(values))
        shares = [100 * value for value in values.values()]
        axes.barh(rows, shares, height=0.68, color=colours, edgecolor=INK, linewidth=0.4)
        for row, share in zip(rows, shares, strict=True):
            text = axes.text(share + 0.8, row, f"{share:.1f}", va="center", size=9, zorder=3)
            text.set_path_effects([withStroke(linewidth=3, foreground="white")])
        name, value = mean
        axes.axvline(100 * value, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(
            100 * value,
            -0.75,
            f"{name} {100 * value:.1f}",
            ha="center",
            va="bottom",
            weight="bold",
            size=9,
        )
        axes.set_yticks(rows, values)
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.set_xlim(0, 106)
        axes.set_xticks(range(0, 101, 20))
        axes.set_xlabel("%", color=FADED)
        axes.grid(axis="x")
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
