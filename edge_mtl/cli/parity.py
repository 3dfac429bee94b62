"""What `export --check` and `eval --against` have in common: a parity that is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from edge_mtl.bundle import Bundle
    from edge_mtl.data.datasets import Dataset
    from edge_mtl.export.parity import Parity
    from edge_mtl.network.network import Network


def print_parity(
    network: Network, bundle: Bundle, engine: str, frames: Dataset, console: Console
) -> Parity:
    """Compare a network with its bundle in an engine stage by stage, and print the table.

    Raises:
        UsageError: the bundle was not made of the network.
        EdgeMtlError: an engine is missing or refuses a network.
    """
    from edge_mtl.cli.progress import stages
    from edge_mtl.export.parity import compare, stages_of

    with stages() as tell, stages_of(network, bundle, engine) as found:
        parity = compare(network.spec, found, frames, tell)
    console.print(parity_table(parity))
    return parity


def parity_table(parity: Parity) -> Table:
    """A row a tensor and a row a task, a column a stage.

    Tensors: the error of the stage in all and, in brackets, what the stage itself adds, in percent
    of the tensor's spread. Tasks: how far the scenes agree, in percent.
    """
    table = Table(
        title=f"difference to {parity.first} on {parity.frames} frames, %", title_justify="left"
    )
    table.add_column("tensor or task")
    for stage in parity.stages:
        table.add_column(stage.name, justify="right", style="" if stage.passed else "red")
    for name in parity.stages[0].tensors:
        errors = [stage.tensors[name] for stage in parity.stages]
        table.add_row(
            name, *(f"{100 * each.in_all:.3g} (+{100 * each.added:.3g})" for each in errors)
        )
    table.add_section()
    for row in zip(*(stage.verdicts for stage in parity.stages), strict=True):
        agreement = (f"{100 * verdict.after:.2f}" for verdict in row)
        table.add_row(f"{row[0].task}: {row[0].figure} agrees", *agreement)
    return table
