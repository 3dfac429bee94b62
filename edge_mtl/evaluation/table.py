"""Accuracies side by side, as a Rich table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from edge_mtl.evaluation.accuracy import Accuracy
from edge_mtl.evaluation.segmentation import SegmentationAccuracy


def accuracy_table(columns: Mapping[str, Accuracy]) -> Table:
    """A row a figure and a column an accuracy, in percent; with two, their difference in points.

    All are of the same spec and data.
    """
    rows = {name: dict(_figures(accuracy)) for name, accuracy in columns.items()}
    first = next(iter(columns.values()))
    table = Table(title=f"accuracy on {first.frames} frames, %", title_justify="left")
    table.add_column("task")
    table.add_column("figure")
    for name in columns:
        table.add_column(name, justify="right")
    if len(columns) == 2:
        table.add_column("change", justify="right")
    for task, figure in next(iter(rows.values())):
        values = [row[task, figure] * 100 for row in rows.values()]
        cells = [f"{value:.1f}" for value in values]
        if len(values) == 2:
            cells.append(f"{values[1] - values[0]:+.2f}")
        table.add_row(task, figure, *cells)
    return table


def _figures(accuracy: Accuracy) -> list[tuple[tuple[str, str], float]]:
    """((task, figure), value) of everything that a task is judged by."""
    found: list[tuple[tuple[str, str], float]] = []
    for task, each in accuracy.tasks.items():
        if isinstance(each, SegmentationAccuracy):
            found.append(((task, "mIoU"), each.miou))
            found += [((task, f"IoU {name}"), value) for name, value in each.iou.items()]
        else:
            found.append(((task, "mAP50"), each.map50))
            found.append(((task, "mAP"), each.map))
            found.append(((task, "precision"), each.precision))
            found.append(((task, "recall"), each.recall))
            found.append(((task, "F1"), each.f1))
            found += [((task, f"F1 {name}"), per.f1) for name, per in each.per_class.items()]
    return found
