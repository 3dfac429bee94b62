"""What the gate found, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from gate.callgrind import Counts
from gate.instructions import MARGIN, InstructionsFound
from gate.ratios import RatioFound
from gate.run import GateRun


def kept_table(kept: Counts) -> Table:
    """The counts of one compiler."""
    table = _table(f"Instructions of a call, {kept.compiler}, {kept.level}", "kernel", "kept")
    for kernel, count in kept.cases.items():
        table.add_row(kernel, f"{count:,}")
    return table


def counts_table(found: InstructionsFound) -> Table:
    """Kernel by kernel."""
    table = _table("Instructions of a call", "kernel", "kept", "now", "grown", "")
    for each in found.counts:
        table.add_row(
            *(each.kernel, f"{each.before:,}", f"{each.now:,}", f"{each.growth:+.2%}"),
            _yes(each.passed),
        )
    return table


def ratios_table(found: Sequence[RatioFound]) -> Table:
    """Case by case."""
    table = _table("Processor time, in turn", "case", "ratio", "95 %", "wanted", "turns", "")
    for each in found:
        table.add_row(
            *(each.case, f"{each.ratio.value:.3f}"),
            *(f"{each.ratio.low:.3f} to {each.ratio.high:.3f}", _wanted(each), str(each.turns)),
            _yes(each.passed),
        )
    return table


def spread_table(runs: Sequence[GateRun]) -> Table:
    """How far every figure goes from run to run, and how often it failed. At least one run."""
    busy = sorted({run.busy for run in runs})
    columns = [f"beside {count} busy" for count in busy]
    table = _table(f"{len(runs)} runs", "case", *columns, "wanted", "measured twice", "failed")
    for index, first in enumerate(runs[0].ratios.ratios):
        found = [(run.busy, run.ratios.ratios[index]) for run in runs]
        cells = [[each.ratio.value for beside, each in found if beside == here] for here in busy]
        table.add_row(
            first.case,
            *(f"{min(values):.3f} to {max(values):.3f}" for values in cells),
            *(_wanted(first), str(sum(each.measured > 1 for _, each in found))),
            str(sum(not each.passed for _, each in found)),
        )
    for index, kernel in enumerate(runs[0].instructions.counts):
        grown = [(run.busy, run.instructions.counts[index]) for run in runs]
        cells = [[each.growth for beside, each in grown if beside == here] for here in busy]
        table.add_row(
            f"{kernel.kernel}: instructions",
            *(f"{min(values):+.2%} to {max(values):+.2%}" for values in cells),
            *(f"<= {MARGIN:+.0%}", "", str(sum(not each.passed for _, each in grown))),
        )
    return table


def _wanted(found: RatioFound) -> str:
    return f"{'<=' if found.at_most else '>='} {found.bound:g}"


def _yes(passed: bool) -> str:
    return "yes" if passed else "no"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in ("case", "kernel", "") else "right")
    return table
