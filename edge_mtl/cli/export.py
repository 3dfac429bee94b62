"""`edge-mtl export`: a checkpoint into a bundle, measured before and after."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edge_mtl.cli.labelled_data import Recipe, open_labelled
from edge_mtl.cli.options import JsonTarget, write_json


class Precision(str, Enum):
    """The values of `--precision`."""

    fp32 = "fp32"
    int8 = "int8"


def command(
    checkpoint: Annotated[
        str, typer.Argument(help="A .safetensors checkpoint, or a name that ships: driving-s.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The bundle: an .emtl file, or a folder.")
    ],
    target: Annotated[str, typer.Option(help="cpu, openvino, tensorrt or tensorrt-rtx.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="fp32 or int8.")] = Precision.int8,
    calibrate: Annotated[
        str, typer.Option(help="The data set whose train split sets the 8-bit ranges.")
    ] = "rendered",
    frames: Annotated[int, typer.Option(min=1, help="Frames to calibrate with.")] = 64,
    data: Annotated[
        str | None,
        typer.Option(help="The data set whose val split is measured; that of --calibrate if none."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many frames measured.")] = 128,
    recipe: Recipe = None,
    compute_capability: Annotated[
        str | None, typer.Option(help="The GPU that tensorrt-rtx builds for, such as 8.6.")
    ] = None,
    json: JsonTarget = None,
) -> None:
    from rich.console import Console

    from edge_mtl import zoo
    from edge_mtl.cli.progress import stages
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.evaluation.table import accuracy_table
    from edge_mtl.export.exporter import export
    from edge_mtl.network.checkpoint import load_checkpoint

    network = load_checkpoint(zoo.locate(checkpoint, ".safetensors"))
    calibration = open_dataset(calibrate, "train", frames)
    held_out = open_labelled(data or calibrate, "val", limit, recipe)
    with stages() as tell:
        made = export(
            network,
            output,
            target,
            precision.value,
            calibration,
            held_out,
            compute_capability,
            tell,
        )
    made.bundle.save()
    console = Console(stderr=json == "-", markup=False)
    console.print(accuracy_table({"float": made.before, precision.value: made.after}))
    size_mb = sum(len(data) for data in made.bundle.files.values()) / 1e6
    console.print(f"{output}: {target}, {precision.value}, {size_mb:.1f} MB")
    if json is not None:
        write_json(json, made.bundle.manifest)
