"""Curves as small panels, one a quantity, both axes logarithmic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from edge_mtl.benchmark.result import Curve
from edge_mtl.evaluation.plots.style import FADED, picture

_COLOURS = {"preprocess": "#1f6fb2", "engine": "#d9541e", "head": "#2b8a5f"}
_OTHER = "#65727f"
_STYLES = ("-", "--", ":", "-.")
"""Of curves of the same part, such as of two engines."""
_COLUMNS = 3
_PANEL = 400, 330


def plot(path: Path, curves: Sequence[Curve], subject: str) -> None:
    """Points with their intervals, the fit through them, and where the network ships (a line).

    Raises:
        EdgeMtlError: the file cannot be written.
    """
    panels: dict[str, list[Curve]] = {}
    for curve in curves:
        panels.setdefault(curve.quantity, []).append(curve)
    rows = -(-len(panels) // _COLUMNS)
    size = _COLUMNS * _PANEL[0], rows * _PANEL[1] + 60
    heading = "What a frame costs, in milliseconds, and the exponents of its growth"
    with picture(path, size, heading, subject) as figure:
        axes = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
        for panel, each in zip(axes, panels.values(), strict=False):
            _draw(panel, each)
        for panel in axes[len(panels) :]:
            panel.set_axis_off()


def _draw(panel: Axes, curves: Sequence[Curve]) -> None:
    quantity = curves[0].quantity
    panel.set(xscale="log", yscale="log", title=quantity)
    panel.grid(visible=True)
    panel.axvline(curves[0].baseline, color=FADED, linewidth=0.8)
    seen: Counter[str] = Counter()
    for curve in curves:
        part = curve.what.partition(",")[0]
        colour, style = _COLOURS.get(part, _OTHER), _STYLES[seen[part]]
        seen[part] += 1
        x = np.array([point.x for point in curve.points])
        ms = np.array([[each.ms.value, each.ms.low, each.ms.high] for each in curve.points]).T
        panel.errorbar(x, ms[0], abs(ms[1:] - ms[0]), fmt="o", markersize=4, color=colour)
        fine = np.geomspace(x.min(), x.max(), 50)
        fitted = curve.scale * fine**curve.exponent.value + curve.fixed_ms
        label = f"{curve.what}: {curve.exponent.value:.2f}"
        panel.plot(fine, fitted, style, color=colour, label=label)
    sizes = [point.x for point in curves[0].points]
    in_millions = quantity.startswith("pixels")
    labels = [f"{size / 1e6:.2g} M" if in_millions else f"{size:.0f}" for size in sizes]
    panel.set_xticks(sizes, labels, fontsize=7)
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())
    beneath = (-0.1, -0.08)
    panel.legend(fontsize=7.5, ncols=2, columnspacing=1.0, loc="upper left", bbox_to_anchor=beneath)
