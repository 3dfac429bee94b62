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
    fp16 = "fp16"
    int8 = "int8"


class MethodName(str, Enum):
    """The values of `--method`; see `CalibrationSettings`."""

    min_max = "min-max"
    entropy = "entropy"
    percentile = "percentile"
    mse = "mse"


def command(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A .safetensors checkpoint, or a name that ships: driving-s. For triton also a "
            "bundle."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The bundle, an .emtl file or a folder; for triton the repository.",
        ),
    ],
    target: Annotated[
        str, typer.Option(help="cpu, openvino, tensorrt, tensorrt-rtx or triton.")
    ] = "cpu",
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
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Then say stage by stage how the bundle differs from the network."
        ),
    ] = False,
    json: JsonTarget = None,
) -> None:
    import msgspec
    from rich.console import Console

    from edge_mtl import zoo
    from edge_mtl.cli.export_tables import report_tables
    from edge_mtl.cli.parity import print_parity
    from edge_mtl.cli.progress import stages
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.evaluation.table import accuracy_table
    from edge_mtl.export.calibration import CalibrationSettings
    from edge_mtl.export.exporter import ExportSettings, export
    from edge_mtl.export.gate import with_tolerances
    from edge_mtl.export.parity import CHECKED_FRAMES
    from edge_mtl.export.precision import GateError
    from edge_mtl.export.triton_repository import write_repository
    from edge_mtl.network.checkpoint import load_checkpoint

    if target == "triton" and Path(checkpoint).suffix == ".emtl":
        from edge_mtl.bundle import Bundle

        ensemble, *_ = write_repository(Bundle.open(Path(checkpoint)), output)
        print(f"{output}: a model repository that serves {ensemble}")
        return
    settings = ExportSettings(
        target=target,
        precision=precision.value,
        calibration=CalibrationSettings(method.value, percentile),
        tolerances=with_tolerances(tolerance or ()),
        compute_capability=compute_capability,
        elsewhere=elsewhere,
    )
    source = zoo.locate(checkpoint, ".safetensors")
    network = load_checkpoint(source)
    configuration = source.with_name("config.json")  # of the run that the checkpoint is from
    configured = {"configuration": configuration} if configuration.exists() else {}
    sources = {"checkpoint": source, **configured}
    calibration = open_dataset(calibrate, "train", frames)
    held_out = open_labelled(data or calibrate, "val", limit, recipe)
    console = Console(stderr=json == "-", markup=False)
    try:
        with stages() as tell:
            made = export(network, output, settings, calibration, held_out, tell, sources)
    except GateError as error:
        for table in report_tables(error.report):
            console.print(table)
        raise
    if target == "triton":
        write_repository(made.bundle, output)
    else:
        made.bundle.save()
    manifest, report = made.bundle.manifest, made.report
    if made.before.labels.tasks:
        console.print(
            accuracy_table({"float": made.before.labels, manifest.precision: made.after.labels})
        )
    for table in report_tables(report):
        console.print(table)
    size_mb = sum(len(data) for data in made.bundle.files.values()) / 1e6
    console.print(f"{output}: {target}, {report.kept}, {size_mb:.1f} MB; {report.reason}")
    parity = None
    if check:
        frames_checked = open_labelled(data or calibrate, "val", CHECKED_FRAMES, recipe)
        parity = print_parity(network, made.bundle, "auto", frames_checked, console)
    if json is not None:
        stage_by_stage = {} if parity is None else {"parity": parity.to_json()}
        found = {**msgspec.to_builtins(manifest), "report": report.to_json(), **stage_by_stage}
        write_json(json, found)
    if parity is not None:
        parity.check()
