"""`edge-mtl train`: a configuration into a checkpoint.

The same command trains in several processes where torchrun starts it, one a GPU:

    torchrun --nproc-per-node 2 --no-python edge-mtl train CONFIG
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def command(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A .toml, or a recipe that ships: driving-s.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Such as epochs=3 or data.workers=2."),
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where the run's folder is made.")] = Path("runs"),
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from edge_mtl import zoo
    from edge_mtl.cli.progress import make_progress
    from edge_mtl.config import load_config
    from edge_mtl.train.config import TrainConfig
    from edge_mtl.train.loop import train

    settings = load_config(zoo.locate(config, ".toml"), TrainConfig, overrides or ())
    first = os.environ.get("RANK", "0") == "0"  # as torchrun numbers the processes
    with make_progress() if first else Progress(disable=True) as progress:
        folder = train(settings, runs, progress)
    if first:
        Console(markup=False).print(f"{folder}: best.safetensors, last.safetensors, metrics.jsonl")
