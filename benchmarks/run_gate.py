"""The gate: what must not become slower, told by figures that stand still on a busy machine.

python benchmarks/run_gate.py check      ends with 1 where something became slower
python benchmarks/run_gate.py keep       accepts the kernels as they are, and holds others to them
python benchmarks/run_gate.py repeat     shows whether it flaps, beside busy processes too
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from checkout import commit
from gate import instructions
from gate.run import GateRun, GateRuns, run_once, run_repeatedly
from gate.sources import ROOT
from gate.tables import counts_table, kept_table, ratios_table, spread_table
from result_files import machine_folder
from rich.console import Console

from edge_mtl.errors import EdgeMtlError
from edge_mtl.machine import Machine
from edge_mtl.train.whole_file import write_whole

app = typer.Typer(add_completion=False)
_console = Console(width=140, markup=False, highlight=False, soft_wrap=True)


@app.command()
def check() -> None:
    """Count and measure once. Ends with 1 where something became slower."""
    found = run_once()
    if found.instructions.counts:
        _console.print(counts_table(found.instructions))
    _console.print(ratios_table(found.ratios.ratios))
    for line in (f"instructions: {found.instructions.told}", *found.ratios.skipped):
        _console.print(line)
    _tell(found, "gate")
    raise typer.Exit(bool(found.complaints))


@app.command()
def keep() -> None:
    """Count the kernels of this checkout, and keep them and their counts."""
    _console.print(kept_table(instructions.keep().counts[-1]))
    _console.print(f"kept in {instructions.KEPT.relative_to(ROOT)}: commit it with the kernels")


@app.command()
def repeat(
    runs: Annotated[int, typer.Option(min=1, help="How often.")] = 10,
    busy: Annotated[int, typer.Option(min=0, help="Busy processes at most.")] = 2,
) -> None:
    """Run the gate again and again, beside no busy process, one and so on in turn.

    Every run is kept in benchmarks/results/MACHINE/gate.json.
    """
    command = f"python benchmarks/run_gate.py repeat --runs {runs} --busy {busy}"
    path = machine_folder() / "gate.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    done: list[GateRun] = []
    for found in run_repeatedly(runs, busy):
        done.append(found)
        _tell(found, f"run {len(done)}, beside {found.busy} busy")
        made = GateRuns(Machine.here(), commit(), command, tuple(done))
        write_whole(path, msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    _console.print(spread_table(done))
    failed = sum(bool(run.complaints) for run in done)
    _console.print(f"{failed} of {runs} runs failed; kept in {path.relative_to(ROOT)}")


def _tell(found: GateRun, what: str) -> None:
    for line in found.complaints:
        _console.print(f"slower: {line}")
    verdict = "failed" if found.complaints else "passed"
    _console.print(f"{what}: {verdict}, {found.seconds:.0f} s")


if __name__ == "__main__":
    try:
        app()
    except EdgeMtlError as error:
        raise SystemExit(f"gate: {error}") from None
