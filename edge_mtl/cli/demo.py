"""`edge-mtl demo`: the whole way once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where its files are left.")
    ] = Path("out/demo"),
    frames: Annotated[int, typer.Option(min=1, help="Length of the annotated drive.")] = 240,
) -> None:
    from rich.console import Console

    from edge_mtl.cli.progress import stages
    from edge_mtl.demo import run_demo
    from edge_mtl.evaluation.table import accuracy_table

    with stages() as tell:
        demo = run_demo(output, frames, tell)
    console = Console(markup=False)
    made = demo.export
    columns = {"float": made.before.labels, made.bundle.manifest.precision: made.after.labels}
    console.print(accuracy_table(columns))
    console.print(
        f"latency, {demo.engine}, {made.report.kept}, frames of the drive rendered on the spot"
    )
    console.print(demo.stream.latency.table())
    for path in sorted(output.iterdir()):
        if path.is_file():
            console.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
