"""Precision against recall of every class of a detection task, and where it is deployed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from edge_mtl.evaluation.average_precision import RECALLS
from edge_mtl.evaluation.detection import DetectionMeter
from edge_mtl.evaluation.plots.style import FADED, GRID, INK, colours_of, picture


def plot_precision_recall(path: Path, meter: DetectionMeter, heading: str, subject: str) -> None:
    """Draw the interpolated precision at IoU 0.5 that the average precision is the mean of, and a
    dot for each class at the task's score threshold."""
    accuracy = meter.result()
    curves = meter.precision_curves()[:, 0]
    classes = meter.task.classes
    with picture(path, (880, 640), heading, subject) as figure:
        axes = figure.subplots()
        _draw_f1_lines(axes)
        for class_id, (name, colour) in enumerate(zip(classes, colours_of(classes), strict=True)):
            if name not in accuracy.per_class:
                continue
            each = accuracy.per_class[name]
            # Nothing was found beyond the last recall with a precision above 0.
            reached = curves[class_id] > 0
            label = f"{name}: AP50 {100 * each.map50:.1f}, F1 {100 * each.f1:.1f}"
            axes.plot(
                RECALLS[reached], curves[class_id][reached], color=colour, linewidth=2, label=label
            )
            axes.plot(
                each.recall,
                each.precision,
                "o",
                color=colour,
                markeredgecolor=INK,
                markersize=9,
                zorder=3,
            )
        axes.plot(
            accuracy.recall,
            accuracy.precision,
            "D",
            color=INK,
            markersize=8,
            zorder=3,
            linestyle="",
            label=f"all classes: mAP50 {100 * accuracy.map50:.1f}, F1 {100 * accuracy.f1:.1f}",
        )
        axes.set_xlim(0, 1.0)
        axes.set_ylim(0, 1.02)
        axes.set_aspect("equal")
        axes.grid(color=GRID)
        axes.set_xlabel("recall")
        axes.set_ylabel("precision")
        threshold = meter.task.score_threshold
        axes.set_title(
            f"line: by score, at IoU 0.5; dot: at the score threshold {threshold:g}", color=FADED
        )
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)


def _draw_f1_lines(axes: Axes) -> None:
    """Lines of equal F1: precision = F1 recall / (2 recall - F1)."""
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.linspace(f1 / (2 - f1), 1.0, 100)
        axes.plot(recall, f1 * recall / (2 * recall - f1), color=FADED, linewidth=0.7, alpha=0.5)
        axes.text(0.995, f1 / (2 - f1) + 0.008, f"F1 {f1:g}", ha="right", size=8, color=FADED)
