"""`edge-mtl doctor`: what works on this machine, and how to get the rest."""

from __future__ import annotations

import typer

from edge_mtl.cli.options import JsonTarget, write_json

_MARKS = {"ok": "[green]ok[/]", "missing": "[red]missing[/]", "absent": "[dim]none[/]"}


def command(json: JsonTarget = None) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from edge_mtl import __version__
    from edge_mtl.diagnosis import examine

    diagnosis = examine()
    machine = diagnosis.machine
    console = Console(stderr=json == "-")
    console.print(f"edge-mtl {__version__}, Python {machine.python}, {machine.system}")
    console.print(f"{machine.processor}, {machine.cores} cores: {' '.join(machine.instructions)}")
    table = Table()
    for column in ("what", "state", "found", "to get it"):
        table.add_column(column, overflow="fold")
    for finding in diagnosis.findings:
        remedy = escape(finding.remedy)
        table.add_row(finding.subject, _MARKS[finding.state], escape(finding.found), remedy)
    console.print(table)
    if not diagnosis.ready:
        console.print(f"No engine works, so no model can run: {escape(_INSTALL)}")
    if json is not None:
        write_json(json, diagnosis.to_json())
    if not diagnosis.ready:
        raise typer.Exit(1)


_INSTALL = "pip install 'edge-mtl[cpu]'"
