"""`edge-mtl import`: a network trained elsewhere into a bundle, measured before and after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_mtl.cli.export import Precision
from edge_mtl.cli.labelled_data import Recipe, open_labelled
from edge_mtl.cli.options import JsonTarget, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from edge_mtl.export.gate import Verdict


def command(
    network: Annotated[Path, typer.Argument(metavar="NETWORK.onnx", help="The ONNX network.")],
    spec: Annotated[
        Path,
        typer.Option(help="What it takes in and gives; `edge-mtl inspect NETWORK.onnx` proposes."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The bundle: an .emtl file, or a folder.")
    ],
    target: Annotated[str, typer.Option(help="cpu, openvino, tensorrt or tensorrt-rtx.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="fp32 or int8.")] = Precision.int8,
    calibrate: Annotated[
        str,
        typer.Option(
            help="Frames that set the 8-bit ranges: images:DIR, video:FILE or a data set, of the "
            "kind that the network was trained on."
        ),
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

    from edge_mtl.cli.progress import stages
    from edge_mtl.config import load_config
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.export.foreign.import_spec import ImportSpec
    from edge_mtl.export.foreign.importer import import_network

    said = load_config(spec, ImportSpec)
    calibration = open_dataset(calibrate, "train", frames)
    held_out = open_labelled(data or calibrate, "val", limit, recipe)
    with stages() as tell:
        made = import_network(
            network,
            said,
            spec,
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
    for note in made.network.notes:
        console.print(note)
    if made.verdicts:
        console.print(_verdicts_table(made.verdicts, held_out.name))
    size_mb = sum(len(data) for data in made.bundle.files.values()) / 1e6
    console.print(f"{output}: {target}, {precision.value}, {size_mb:.1f} MB")
    if json is not None:
        write_json(json, made.bundle.manifest)


def _verdicts_table(verdicts: list[Verdict], frames: str) -> Table:
    """A row a figure: of the float network, of the exported one, and what it may lose."""
    from rich.table import Table

    table = Table(title=f"accuracy on {frames}, %", title_justify="left")
    table.add_column("task")
    table.add_column("figure")
    table.add_column("against")
    for name in ("float", "int8", "change", "allowed"):
        table.add_column(name, justify="right")
    for each in verdicts:
        against = "labels" if each.basis == "labels" else "float network"
        numbers = (f"{100 * each.before:.1f}", f"{100 * each.after:.1f}", f"{-each.lost:+.2f}")
        table.add_row(each.task, each.figure, against, *numbers, f"-{each.allowed:g}")
    return table
