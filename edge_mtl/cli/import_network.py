"""`edge-mtl import`: a network trained elsewhere into a bundle, measured before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_mtl.cli.export_options import (
    ExportOptions,
    print_export,
    told,
    with_export_options,
)
from edge_mtl.cli.options import JsonTarget, write_json


@with_export_options
def command(
    *,
    network: Annotated[Path, typer.Argument(metavar="NETWORK.onnx", help="The ONNX network.")],
    spec: Annotated[
        Path,
        typer.Option(help="What it takes in and gives; `edge-mtl inspect NETWORK.onnx` proposes."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The bundle: an .emtl file, or a folder.")
    ],
    options: ExportOptions,
    json: JsonTarget = None,
) -> None:
    import msgspec
    from rich.console import Console

    from edge_mtl.config import load_config
    from edge_mtl.export.foreign.import_spec import ImportSpec
    from edge_mtl.export.foreign.importer import import_network

    settings = options.settings()
    said = load_config(spec, ImportSpec)
    calibration, held_out = options.calibration(), options.held_out()
    console = Console(stderr=json == "-", markup=False)
    with told(console) as tell:
        made = import_network(network, said, spec, output, settings, calibration, held_out, tell)
    bundle, report = made.export.bundle, made.export.report
    bundle.save()
    for note in made.network.notes:
        console.print(note)
    print_export(made.export, output, console)
    if json is not None:
        write_json(json, {**msgspec.to_builtins(bundle.manifest), "report": report.to_json()})
