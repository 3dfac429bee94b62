"""What `edge-mtl export` and `edge-mtl import` both ask, do and print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from edge_mtl.export.exporter import Export, ExportSettings


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


DeviceName = Annotated[
    str | None, typer.Option("--device", help="The machine it is for, such as jetson-orin-nano.")
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="cpu, openvino, tensorrt, tensorrt-rtx, triton; that of --device, or cpu.",
    ),
]
WantedPrecision = Annotated[
    Precision | None,
    typer.Option(
        "--precision",
        help="int8, as far as every task bears it and it is faster; fp16 (GPUs); fp32. That of "
        "--device, or int8.",
    ),
]
Calibrate = Annotated[
    str,
    typer.Option(
        "--calibrate",
        help="What sets the 8-bit ranges: the train split of a data set, video:FILE or images:DIR.",
    ),
]
Frames = Annotated[int, typer.Option("--frames", min=1, help="Frames to calibrate with.")]
Method = Annotated[
    MethodName, typer.Option("--method", help="How the ranges follow from the frames.")
]
Percentile = Annotated[
    float,
    typer.Option("--percentile", help="What --method percentile keeps of the values, in per cent."),
]
HeldOut = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="The data set whose val split is measured; that of --calibrate if none. What it does "
        "not label is compared with the float network.",
    ),
]
MeasuredFrames = Annotated[
    int, typer.Option("--limit", min=1, help="At most so many frames measured.")
]
Tolerance = Annotated[
    list[str] | None,
    typer.Option(
        "--tolerance",
        metavar="[KIND[.FIGURE]=]POINTS",
        help="What tasks may lose, such as detection=2 or segmentation.miou=0.5; repeatable.",
    ),
]
Elsewhere = Annotated[
    bool,
    typer.Option(
        "--elsewhere", help="It will run on another machine: latencies here decide nothing."
    ),
]
ComputeCapability = Annotated[
    str | None,
    typer.Option(
        "--compute-capability", help="The GPUs that tensorrt-rtx builds for, such as 8.6,8.9."
    ),
]
FramesAtOnce = Annotated[
    str | None, typer.Option("--batch", help="Frames an engine takes: 4, or least:best:most.")
]
Build = Annotated[
    list[str] | None,
    typer.Option(
        "--build",
        metavar="KEY=VALUE",
        help="workspace_mb=512, dla_core=0, refit=true and others, of the engine; repeatable.",
    ),
]


def export_settings(
    *,
    device: str | None,
    target: str | None,
    precision: Precision | None,
    method: MethodName,
    percentile: float,
    tolerance: list[str] | None,
    elsewhere: bool,
    compute_capability: str | None,
    batch: str | None,
    build: list[str] | None,
) -> ExportSettings:
    """What the options say; what they leave open is as the device has it.

    Raises:
        UsageError: one of them is none of what is known.
    """
    from edge_mtl.config import overrides_into
    from edge_mtl.export.batch import Batch
    from edge_mtl.export.calibration import CalibrationSettings
    from edge_mtl.export.devices import find_device
    from edge_mtl.export.engine_plan import EngineWishes
    from edge_mtl.export.exporter import ExportSettings
    from edge_mtl.export.gate import with_tolerances
    from edge_mtl.export.tensorrt_builder import BuildOptions

    profile = find_device(device) if device else None
    return ExportSettings(
        target=target or (profile.target if profile else "cpu"),
        precision=precision.value if precision else profile.precision if profile else "int8",
        calibration=CalibrationSettings(method.value, percentile),
        tolerances=with_tolerances(tolerance or ()),
        elsewhere=elsewhere,
        engine=EngineWishes(
            compute_capability=compute_capability,
            device=profile,
            batch=Batch.parse(batch) if batch else None,
            options=overrides_into(BuildOptions, build, "--build") if build else None,
        ),
    )


@contextmanager
def told(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Within `with`, what is called as an export goes on; what a failed gate has tried is printed.

    Raises:
        GateError: as the export does.
    """
    from edge_mtl.cli.export_tables import report_tables
    from edge_mtl.cli.progress import stages
    from edge_mtl.export.precision import GateError

    try:
        with stages() as tell:
            yield tell
    except GateError as error:
        for table in report_tables(error.report):
            console.print(table)
        raise


def print_export(made: Export, output: Path, console: Console) -> None:
    """Accuracy before and after, what was tried, and one line of what is kept."""
    from edge_mtl.cli.export_tables import report_tables
    from edge_mtl.evaluation.table import accuracy_table
    from edge_mtl.export.schemes import scheme

    manifest, report = made.bundle.manifest, made.report
    if made.before.labels.tasks:
        console.print(
            accuracy_table({"float": made.before.labels, manifest.precision: made.after.labels})
        )
    for table in report_tables(report):
        console.print(table)
    size_mb = sum(len(data) for data in made.bundle.files.values()) / 1e6
    console.print(f"{output}: {manifest.target}, {report.kept}, {size_mb:.1f} MB; {report.reason}")
    if scheme(manifest.target).builds is not None and not manifest.engines:
        console.print(
            f"no engine is in it yet: on the device, `edge-mtl export --rebuild {output}` builds it"
        )
