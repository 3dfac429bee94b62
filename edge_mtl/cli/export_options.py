"""What `edge-mtl export` and `edge-mtl import` both ask, do and print."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

from edge_mtl.cli.labelled_data import Recipe, open_labelled
from edge_mtl.cli.spliced_options import spliced

if TYPE_CHECKING:
    from rich.console import Console

    from edge_mtl.data.datasets import Dataset
    from edge_mtl.export.engine_plan import EngineWishes
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


class DegradeName(str, Enum):
    """The values of `--degrade`; see `ModelSpec`."""

    half_resolution = "half_resolution"
    every_second_task = "every_second_task"


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The options that both commands take; a field each, with what `--help` says of it."""

    device: Annotated[
        str | None,
        typer.Option("--device", help="The machine it is for, such as jetson-orin-nano."),
    ] = None
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            help="cpu, openvino, tensorrt, tensorrt-rtx, triton; that of --device, or cpu.",
        ),
    ] = None
    precision: Annotated[
        Precision | None,
        typer.Option(
            "--precision",
            help="int8, as far as every task bears it and it is faster; fp16 (GPUs); fp32. That of "
            "--device, or int8.",
        ),
    ] = None
    calibrate: Annotated[
        str,
        typer.Option(
            "--calibrate",
            help="What sets the 8-bit ranges: the train split of a data set, video:FILE or "
            "images:DIR.",
        ),
    ] = "rendered"
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames to calibrate with.")] = 64
    method: Annotated[
        MethodName, typer.Option("--method", help="How the ranges follow from the frames.")
    ] = MethodName.min_max
    percentile: Annotated[
        float,
        typer.Option(
            "--percentile", help="What --method percentile keeps of the values, in per cent."
        ),
    ] = 99.99
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="The data set whose val split is measured; that of --calibrate if none. What it "
            "does not label is compared with the float network.",
        ),
    ] = None
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="At most so many frames measured.")
    ] = 128
    recipe: Recipe = None
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            "--tolerance",
            metavar="[KIND[.FIGURE]=]POINTS",
            help="What tasks may lose, such as detection=2 or segmentation.miou=0.5; repeatable.",
        ),
    ] = None
    degrade: Annotated[
        DegradeName | None,
        typer.Option(
            "--degrade",
            help="The lighter networks that the bundle has for `run --late degrade`; as the spec "
            "says, or none.",
        ),
    ] = None
    elsewhere: Annotated[
        bool,
        typer.Option(
            "--elsewhere", help="It will run on another machine: latencies here decide nothing."
        ),
    ] = False
    compute_capability: Annotated[
        str | None,
        typer.Option(
            "--compute-capability", help="The GPUs that tensorrt-rtx builds for, such as 8.6,8.9."
        ),
    ] = None
    batch: Annotated[
        str | None, typer.Option("--batch", help="Frames an engine takes: 4, or least:best:most.")
    ] = None
    build: Annotated[
        list[str] | None,
        typer.Option(
            "--build",
            metavar="KEY=VALUE",
            help="workspace_mb=512, dla_core=0, refit=true and others, of the engine; repeatable.",
        ),
    ] = None

    def settings(self) -> ExportSettings:
        """What they say of the export; what they leave open is as the device has it.

        Raises:
            UsageError: one of them is none of what is known.
        """
        from edge_mtl.export.calibration import CalibrationSettings
        from edge_mtl.export.devices import find_device
        from edge_mtl.export.exporter import ExportSettings
        from edge_mtl.export.gate import with_tolerances

        profile = find_device(self.device) if self.device else None
        of_device = profile.precision if profile else "int8"
        return ExportSettings(
            target=self.target or (profile.target if profile else "cpu"),
            precision=self.precision.value if self.precision else of_device,
            calibration=CalibrationSettings(self.method.value, self.percentile),
            tolerances=with_tolerances(self.tolerance or ()),
            elsewhere=self.elsewhere,
            degrade=self.degrade.value if self.degrade else None,
            engine=self.engine(),
        )

    def engine(self) -> EngineWishes:
        """What they say of the engine alone. Needs no torch, so that a board can build its own.

        Raises:
            UsageError: one of them is none of what is known.
        """
        from edge_mtl.config import overrides_into
        from edge_mtl.export.batch import Batch
        from edge_mtl.export.devices import find_device
        from edge_mtl.export.engine_plan import EngineWishes
        from edge_mtl.export.tensorrt_builder import BuildOptions

        return EngineWishes(
            compute_capability=self.compute_capability,
            device=find_device(self.device) if self.device else None,
            batch=Batch.parse(self.batch) if self.batch else None,
            options=overrides_into(BuildOptions, self.build, "--build") if self.build else None,
        )

    def calibration(self) -> Dataset:
        """The frames that set the 8-bit ranges."""
        from edge_mtl.data.datasets import open_dataset

        return open_dataset(self.calibrate, "train", self.frames)

    def held_out(self, limit: int | None = None) -> Dataset:
        """The frames that are measured; `limit` in place of that of the options."""
        return open_labelled(self.data or self.calibrate, "val", limit or self.limit, self.recipe)


def with_export_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of `ExportOptions` as options in the place of its parameter
    `options`, as which it gets their values."""
    hints = get_type_hints(ExportOptions, include_extras=True)
    fields = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(ExportOptions)
    ]
    return spliced(command, "options", fields, lambda given: ExportOptions(**given))


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
