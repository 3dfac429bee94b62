"""The report of an export, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from edge_mtl.export.report import ExportReport


def report_tables(report: ExportReport) -> Iterator[Table]:
    """Tasks by precision, latencies, the layers that are not in 8 bits where others are, and the
    lighter networks."""
    if any(each.verdicts for each in report.candidates):
        yield _figures(report)
    if any(each.latency_ms for each in report.candidates):
        yield _latencies(report)
    if {layer.precision for layer in report.layers} != {"int8"} and "int8" in report.kept:
        yield _layers(report)
    if report.lighter:
        yield _lighter_networks(report)
        if any(each.verdicts for each in report.lighter):
            yield _lighter_figures(report)


def _figures(report: ExportReport) -> Table:
    table = Table(
        title=f"points lost on {report.frames} frames of {report.data}", title_justify="left"
    )
    for column in ("task", "figure", "by"):
        table.add_column(column)
    judged = [each for each in report.candidates if each.verdicts]
    for column in (*(each.name for each in judged), "allowed"):
        table.add_column(column, justify="right")
    for rows in zip(*(each.verdicts for each in judged), strict=True):
        first = rows[0]
        lost = [f"{row.lost:+.2f}{'' if row.passed else ' !'}" for row in rows]
        table.add_row(first.task, first.figure, first.basis, *lost, f"{first.allowed:.2f}")
    return table


def _latencies(report: ExportReport) -> Table:
    table = Table(title="latency of the network here, ms", title_justify="left")
    table.add_column("precision")
    timed = [each for each in report.candidates if each.latency_ms]
    engines = list(timed[0].latency_ms)
    for engine in engines:
        table.add_column(engine, justify="right")
    for each in timed:
        table.add_row(each.name, *(f"{each.latency_ms[engine]:.2f}" for engine in engines))
    return table


def _layers(report: ExportReport) -> Table:
    floating = [each for each in report.layers if each.precision != "int8"]
    table = Table(
        title=f"{len(floating)} of {len(report.layers)} layers are not in 8 bits",
        title_justify="left",
    )
    table.add_column("layer")
    table.add_column("precision")
    table.add_column("error in 8 bits")
    for layer in floating:
        errors = ", ".join(f"{task} {value:.2g}" for task, value in layer.error.items())
        table.add_row(layer.name, layer.precision, errors)
    return table


def _lighter_figures(report: ExportReport) -> Table:
    """What each lighter network loses beside the float network; nothing is demanded of it."""
    table = Table(title="points lost past a deadline", title_justify="left")
    for column in ("network", "task", "figure", "by"):
        table.add_column(column)
    table.add_column("lost", justify="right")
    for each in report.lighter:
        for row in each.verdicts:
            table.add_row(each.file, row.task, row.figure, row.basis, f"{row.lost:+.2f}")
    return table


def _lighter_networks(report: ExportReport) -> Table:
    """What takes turns past a deadline, and how long, of how long the full network takes."""
    table = Table(
        title="past a deadline, in turn; ms, of those of the full network", title_justify="left"
    )
    for column in ("network", "input", "tasks"):
        table.add_column(column)
    engines = list(report.lighter[0].latency_ms)
    for engine in engines:
        table.add_column(engine, justify="right")
    for each in report.lighter:
        times = [f"{each.latency_ms[name]:.2f} of {each.full_ms[name]:.2f}" for name in engines]
        table.add_row(each.file, "x".join(map(str, each.size)), ", ".join(each.tasks), *times)
    return table
