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
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long each engine is measured, by each method.")
    ] = 4.0,
) -> None:
    from rich.console import Console

    from edge_mtl.benchmark.report.html import write_html
    from edge_mtl.benchmark.runs import Plan
    from edge_mtl.cli.bench_run import run_bench
    from edge_mtl.cli.contenders import ALL
    from edge_mtl.cli.options import write_json
    from edge_mtl.cli.progress import stages
    from edge_mtl.demo import run_demo
    from edge_mtl.evaluation.table import accuracy_table

    with stages() as tell:
        demo = run_demo(output, frames, tell)
    plan = Plan(seconds, rate_hz=30.0, deadline_ms=1e3 / 30, streams=2, starts=1)
    bundle = str(demo.export.bundle.path)
    result = run_bench([bundle], [ALL], demo.drive, None, "frame", plan)
    write_json(str(output / "bench.json"), result)
    write_html([result], output / "report.html")
    console = Console(markup=False)
    made = demo.export
    columns = {"float": made.before.labels, made.bundle.manifest.precision: made.after.labels}
    console.print(accuracy_table(columns))
    console.print(
        f"latency, {demo.engine}, {made.report.kept}, frames of the drive rendered on the spot"
    )
    console.print(demo.stream.latency.table())
    for comparison in result.comparisons:
        console.print(comparison.told(), soft_wrap=True)
    for path in sorted(output.iterdir()):
        if path.is_file():
            console.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
