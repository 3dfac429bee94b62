"""Accuracies side by side, as a Rich table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from edge_mtl.evaluation.accuracy import Accuracy


def accuracy_table(columns: Mapping[str, Accuracy]) -> Table:
    """A row a figure and a column an accuracy, in percent; with two, their difference in points.

    All are of the same spec and data.
    """
    rows = [
        {
            (task, figure): value
            for task, each in accuracy.tasks.items()
            for figure, value in each.figures().items()
        }
        for accuracy in columns.values()
    ]
    first = next(iter(columns.values()))
    table = Table(title=f"accuracy on {first.frames} frames, %", title_justify="left")
    table.add_column("task")
    table.add_column("figure")
    for name in columns:
        table.add_column(name, justify="right")
    if len(columns) == 2:
        table.add_column("change", justify="right")
    for task, figure in rows[0]:
        values = [row[task, figure] * 100 for row in rows]
        cells = [f"{value:.1f}" for value in values]
        if len(values) == 2:
            cells.append(f"{values[1] - values[0]:+.2f}")
        table.add_row(task, figure, *cells)
    return table
