"""`edge-mtl import`: a network trained elsewhere into a bundle, measured before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_mtl.cli.export_options import (
    Build,
    Calibrate,
    ComputeCapability,
    DeviceName,
    Elsewhere,
    Frames,
    FramesAtOnce,
    HeldOut,
    MeasuredFrames,
    Method,
    MethodName,
    Percentile,
    Target,
    Tolerance,
    WantedPrecision,
    export_settings,
    print_export,
    told,
)
from edge_mtl.cli.labelled_data import Recipe, open_labelled
from edge_mtl.cli.options import JsonTarget, write_json


def command(
    network: Annotated[Path, typer.Argument(metavar="NETWORK.onnx", help="The ONNX network.")],
    spec: Annotated[
        Path,
        typer.Option(help="What it takes in and gives; `edge-mtl inspect NETWORK.onnx` proposes."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The bundle: an .emtl file, or a folder.")
    ],
    device: DeviceName = None,
    target: Target = None,
    precision: WantedPrecision = None,
    calibrate: Calibrate = "rendered",
    frames: Frames = 64,
    method: Method = MethodName.min_max,
    percentile: Percentile = 99.99,
    data: HeldOut = None,
    limit: MeasuredFrames = 128,
    recipe: Recipe = None,
    tolerance: Tolerance = None,
    elsewhere: Elsewhere = False,
    compute_capability: ComputeCapability = None,
    batch: FramesAtOnce = None,
    build: Build = None,
    json: JsonTarget = None,
) -> None:
    import msgspec
    from rich.console import Console

    from edge_mtl.config import load_config
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.export.foreign.import_spec import ImportSpec
    from edge_mtl.export.foreign.importer import import_network

    settings = export_settings(
        device=device,
        target=target,
        precision=precision,
        method=method,
        percentile=percentile,
        tolerance=tolerance,
        elsewhere=elsewhere,
        compute_capability=compute_capability,
        batch=batch,
        build=build,
    )
    said = load_config(spec, ImportSpec)
    calibration = open_dataset(calibrate, "train", frames)
    held_out = open_labelled(data or calibrate, "val", limit, recipe)
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
