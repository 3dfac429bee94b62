"""`edge-mtl import`: a network trained elsewhere into a bundle, measured before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_mtl.cli.export import MethodName, Precision
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
    target: Annotated[str, typer.Option(help="cpu, openvino, tensorrt or tensorrt-rtx.")] = "cpu",
    precision: Annotated[
        Precision,
        typer.Option(
            help="int8, as far as every task bears it and it is faster; fp16 (GPUs); fp32."
        ),
    ] = Precision.int8,
    calibrate: Annotated[
        str,
        typer.Option(
            help="What sets the 8-bit ranges: the train split of a data set, video:FILE or "
            "images:DIR."
        ),
    ] = "rendered",
    frames: Annotated[int, typer.Option(min=1, help="Frames to calibrate with.")] = 64,
    method: Annotated[
        MethodName, typer.Option(help="How the ranges follow from the frames.")
    ] = MethodName.min_max,
    percentile: Annotated[
        float, typer.Option(help="What --method percentile keeps of the values, in per cent.")
    ] = 99.99,
    data: Annotated[
        str | None,
        typer.Option(
            help="The data set whose val split is measured; that of --calibrate if none. What it "
            "does not label is compared with the float network."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many frames measured.")] = 128,
    recipe: Recipe = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KIND[.FIGURE]=]POINTS",
            help="What tasks may lose, such as detection=2 or segmentation.miou=0.5; repeatable.",
        ),
    ] = None,
    elsewhere: Annotated[
        bool,
        typer.Option(
            "--elsewhere", help="It will run on another machine: latencies here decide nothing."
        ),
    ] = False,
    compute_capability: Annotated[
        str | None, typer.Option(help="The GPU that tensorrt-rtx builds for, such as 8.6.")
    ] = None,
    json: JsonTarget = None,
) -> None:
    import msgspec
    from rich.console import Console

    from edge_mtl.cli.progress import stages
    from edge_mtl.config import load_config
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.export.calibration import CalibrationSettings
    from edge_mtl.export.exporter import ExportSettings
    from edge_mtl.export.foreign.import_spec import ImportSpec
    from edge_mtl.export.foreign.importer import import_network
    from edge_mtl.export.gate import with_tolerances
    from edge_mtl.export.precision import GateError

    settings = ExportSettings(
        target=target,
        precision=precision.value,
        calibration=CalibrationSettings(method.value, percentile),
        tolerances=with_tolerances(tolerance or ()),
        compute_capability=compute_capability,
        elsewhere=elsewhere,
    )
    said = load_config(spec, ImportSpec)
    calibration = open_dataset(calibrate, "train", frames)
    held_out = open_labelled(data or calibrate, "val", limit, recipe)
    console = Console(stderr=json == "-", markup=False)
    try:
        with stages() as tell:
            made = import_network(
                network, said, spec, output, settings, calibration, held_out, tell
            )
    except GateError as error:
        for table in error.report.tables():
            console.print(table)
        raise
    bundle, report = made.export.bundle, made.export.report
    bundle.save()
    for note in made.network.notes:
        console.print(note)
    for table in report.tables():
        console.print(table)
    size_mb = sum(len(data) for data in bundle.files.values()) / 1e6
    console.print(f"{output}: {target}, {report.kept}, {size_mb:.1f} MB; {report.reason}")
    if json is not None:
        write_json(json, {**msgspec.to_builtins(bundle.manifest), "report": report.to_json()})
