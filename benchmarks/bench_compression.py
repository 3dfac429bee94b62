"""What makes a network smaller, side by side: accuracy and latency, float and in 8 bits.

    python benchmarks/bench_compression.py --data camvid:data/camvid \
        whole=driving-s qat=runs/qat/best.safetensors pruned=runs/pruned/best.safetensors

Each NAME=CHECKPOINT is exported in fp32 and in int8 (for a checkpoint that was trained without
regard to 8 bits that is post-training quantisation), measured on the val split and timed on one
thread. The figures, with the commands that made them, go to `benchmarks/results/compression.json`.
The checkpoints are made with

    edge-mtl prune driving-s --ratio 0.3 --data camvid:data/camvid -o narrow.safetensors
    edge-mtl train driving-s name=pruned init=narrow.safetensors imagenet=false frozen_stages=0 \
        epochs=8
    edge-mtl train driving-s name=qat init=driving-s imagenet=false frozen_stages=0 epochs=2 \
        learning_rate=1e-4 warmup_epochs=0 quantization_aware=cpu
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
import rows
import typer
from checkout import commit
from rich.console import Console
from rich.table import Table

from edge_mtl import zoo
from edge_mtl.benchmark.result import BenchResult
from edge_mtl.compression.cost import Cost
from edge_mtl.headline import headline
from edge_mtl.machine import Machine
from edge_mtl.network.checkpoint import load_checkpoint

RESULTS = rows.RESULTS / "compression.json"
PRECISIONS = ("fp32", "int8")
_MAIN = "from edge_mtl.cli import main; main()"


class Row(msgspec.Struct, kw_only=True):
    """A network in one precision. accuracy: of each task the figure it is judged by, a fraction;
    p50_ms, p90_ms: of the engine alone, on one thread."""

    name: str
    precision: str
    parameters: int
    macs: int
    accuracy: dict[str, float]
    engine: str
    p50_ms: float
    p90_ms: float
    commands: list[str]
    machine: Machine
    commit: str


class Edge:
    """Calls `edge-mtl` and keeps the commands."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def __call__(self, *words: str) -> dict[str, Any]:
        """Run a subcommand; give what it writes as JSON."""
        self.commands.append(shlex.join(("edge-mtl", *words)))
        run = subprocess.run(
            [sys.executable, "-c", _MAIN, *words, "--json", "-"], capture_output=True, text=True
        )
        if run.returncode:
            sys.exit(f"{self.commands[-1]}\n{run.stderr}")
        found: dict[str, Any] = msgspec.json.decode(run.stdout)
        return found


def command(
    checkpoints: Annotated[list[str], typer.Argument(metavar="NAME=CHECKPOINT...")],
    data: Annotated[str, typer.Option(help="Calibrated on its train split, measured on val.")],
    engine: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "openvino",
    frames: Annotated[int, typer.Option(help="Frames to calibrate with.")] = 64,
    limit: Annotated[int, typer.Option(help="At most so many frames measured.")] = 128,
    seconds: Annotated[float, typer.Option(help="How long each is timed.")] = 10.0,
) -> None:
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for given in checkpoints:
            name, separator, checkpoint = given.partition("=")
            if not separator:
                raise typer.BadParameter(f"expected NAME=CHECKPOINT, found {given!r}")
            cost = Cost.of(load_checkpoint(zoo.locate(checkpoint, ".safetensors")))
            for precision in PRECISIONS:
                edge = Edge()
                bundle = str(Path(folder) / f"{name}-{precision}.emtl")
                export = ("export", checkpoint, "-o", bundle, "--precision", precision)
                counts = ("--frames", str(frames), "--limit", str(limit))
                accuracy = edge(*export, "--calibrate", data, *counts)["accuracy"]["exported"]
                timing = ("--engine", engine, "--threads", "1", "--seconds", str(seconds))
                alone = ("--rate", "0", "--streams", "0", "--starts", "0")
                timed = msgspec.convert(edge("bench", bundle, *timing, *alone), BenchResult)
                latency = timed.subjects[0].closed_loop.stages["engine"]
                del accuracy["frames"]
                row = Row(
                    name=name,
                    precision=precision,
                    parameters=cost.parameters,
                    macs=cost.macs,
                    accuracy={task: headline(each)[1] for task, each in accuracy.items()},
                    engine=engine,
                    p50_ms=latency.p50.value,
                    p90_ms=latency.p90.value,
                    commands=[each.replace(f"{folder}/", "") for each in edge.commands],
                    machine=Machine.here(),
                    commit=commit(),
                )
                made.append(row)
                rows.put_row(RESULTS, row, lambda each: (each.name, each.precision, each.engine))
    Console(width=120).print(_table(made))


def _table(made: list[Row]) -> Table:
    tasks = list(dict.fromkeys(task for row in made for task in row.accuracy))
    table = Table("network", "M parameters", "G MACs", *tasks, f"{made[0].engine} ms", "90th %")
    for row in made:
        table.add_row(
            f"{row.name} {row.precision}",
            f"{row.parameters / 1e6:.2f}",
            f"{row.macs / 1e9:.2f}",
            *(f"{100 * row.accuracy[task]:.1f}" if task in row.accuracy else "" for task in tasks),
            f"{row.p50_ms:.2f}",
            f"{row.p90_ms:.2f}",
        )
    return table


if __name__ == "__main__":
    typer.run(command)
