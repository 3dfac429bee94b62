"""How what a frame costs grows, and where the next wall stands.

    python benchmarks/scaling.py -o scaling.json                 # minutes, on a quiet machine
    python benchmarks/scaling.py --quick                         # a look whether all works
    python benchmarks/scaling.py --quantity input-size --engine onnxruntime -o input.json

Sizes of a quantity take turns, so that noise hits all of them. Each curve is fitted as
ms = scale * x ** exponent + fixed, and the walls are computed from the fits. The file is a
`BenchResult` with curves alone, for `edge-mtl report` and `benchmarks/scaling_page.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import bench_result
import typer
from curves.cameras import cameras
from curves.candidates import candidates
from curves.classes import box_classes, mask_classes
from curves.frame_size import frame_size
from curves.input_size import input_size
from curves.interleaved import Effort
from curves.network import FRAME_SIZE, Network
from curves.threads import threads
from rich.console import Console
from rich.table import Table

from edge_mtl.benchmark.result import Curve
from edge_mtl.cli.progress import make_progress
from edge_mtl.train.whole_file import write_whole

QUANTITIES: dict[str, Callable[[Network, Effort], list[Curve]]] = {
    "frame-size": frame_size,
    "input-size": input_size,
    "mask-classes": mask_classes,
    "box-classes": box_classes,
    "candidates": candidates,
    "cameras": cameras,
    "threads": threads,
}
THOROUGH = Effort(rounds=20, turn_s=0.05)
QUICK = Effort(rounds=2, turn_s=0.0, quick=True)
ENGINES = ["openvino", "onnxruntime"]


def command(
    output: Annotated[Path | None, typer.Option("-o", help="The JSON file to write.")] = None,
    quantity: Annotated[
        list[str] | None, typer.Option(help=f"Repeat for more: {', '.join(QUANTITIES)}.")
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(help="Repeat for more; all sizes of input in each, the rest in the first."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", help="Of engine and kernels; all cores if left out.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Two rounds of three sizes, to see it work.")] = False,
) -> None:
    unknown = sorted(set(quantity or ()) - set(QUANTITIES))
    if unknown:
        raise typer.BadParameter(f"no {unknown[0]!r}; choose among {', '.join(QUANTITIES)}")
    network = Network.shipped(engine or ENGINES, threads)
    effort = QUICK if quick else THOROUGH
    found: list[Curve] = []
    with make_progress() as bar:
        names = quantity or list(QUANTITIES)
        task = bar.add_task("measure", total=len(names))
        for name in names:
            bar.update(task, description=name)
            found += QUANTITIES[name](network, effort)
            bar.advance(task)
    console = Console(soft_wrap=True)
    console.print(_table(found))
    for wall in dict.fromkeys(each.wall for each in found):
        console.print(f"- {wall}")
    if output is not None:
        result = bench_result.of(
            curves=tuple(found), frame_size=FRAME_SIZE, threads=threads, rounds=effort.rounds
        )
        write_whole(output, result.to_bytes())


def _table(curves: list[Curve]) -> Table:
    table = Table("what", "over", "exponent", "fixed ms", "from", "to")
    for each in curves:
        first, last = each.points[0], each.points[-1]
        table.add_row(
            each.what,
            each.quantity,
            f"{each.exponent.value:.2f} ({each.exponent.low:.2f} to {each.exponent.high:.2f})",
            f"{each.fixed_ms:.2f}",
            *(f"{point.ms.value:.2f} ms at {point.x:.0f}" for point in (first, last)),
        )
    return table


if __name__ == "__main__":
    typer.run(command)
