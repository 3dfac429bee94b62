"""`edge-mtl export`: a checkpoint into a bundle, measured before and after."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_mtl.cli.export_options import (
    ExportOptions,
    print_export,
    told,
    with_export_options,
)
from edge_mtl.cli.options import JsonTarget, write_json

if TYPE_CHECKING:
    from edge_mtl.export.engine_plan import EngineWishes


@with_export_options
def command(
    *,
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A .safetensors checkpoint, or a name that ships: driving-s. For triton and "
            "--rebuild a bundle."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The bundle, an .emtl file or a folder; for triton the repository. With --rebuild "
            "the bundle itself if left out.",
        ),
    ] = None,
    options: ExportOptions,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Only build the engine of a bundle again, for this machine."
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Then say stage by stage how the bundle differs from the network."
        ),
    ] = False,
    json: JsonTarget = None,
) -> None:
    from edge_mtl.errors import UsageError

    if rebuild:
        if options.target or options.precision or options.degrade:
            raise UsageError(
                "--rebuild keeps target, precision and lighter networks; leave --target, "
                "--precision, --degrade out"
            )
        _rebuild(Path(checkpoint), output, options.engine(), json)
        return

    import msgspec
    from rich.console import Console

    from edge_mtl import zoo
    from edge_mtl.bundle import Bundle
    from edge_mtl.cli.parity import print_parity
    from edge_mtl.export.exporter import export
    from edge_mtl.export.parity import CHECKED_FRAMES
    from edge_mtl.export.triton_repository import write_repository
    from edge_mtl.network.checkpoint import load_checkpoint

    settings = options.settings()
    if output is None:
        raise UsageError("expected --output, the path of the bundle to make, such as -o model.emtl")
    if options.target == "triton" and Path(checkpoint).suffix == ".emtl":
        ensemble, *_ = write_repository(Bundle.open(Path(checkpoint)), output)
        print(f"{output}: a model repository that serves {ensemble}")
        return
    source = zoo.locate(checkpoint, ".safetensors")
    network = load_checkpoint(source)
    configuration = source.with_name("config.json")  # of the run that the checkpoint is from
    configured = {"configuration": configuration} if configuration.exists() else {}
    sources = {"checkpoint": source, **configured}
    calibration, held_out = options.calibration(), options.held_out()
    console = Console(stderr=json == "-", markup=False)
    with told(console) as tell:
        made = export(network, output, settings, calibration, held_out, tell, sources)
    if settings.target == "triton":
        write_repository(made.bundle, output)
    else:
        made.bundle.save()
    print_export(made, output, console)
    parity = None
    if check:
        frames_checked = options.held_out(CHECKED_FRAMES)
        parity = print_parity(network, made.bundle, "auto", frames_checked, console)
    if json is not None:
        stage_by_stage = {} if parity is None else {"parity": parity.to_json()}
        found = {**msgspec.to_builtins(made.bundle.manifest), "report": made.report.to_json()}
        write_json(json, {**found, **stage_by_stage})
    if parity is not None:
        parity.check()


def _rebuild(path: Path, output: Path | None, wishes: EngineWishes, json: str | None) -> None:
    import msgspec

    from edge_mtl.bundle import Bundle
    from edge_mtl.cli.progress import stages
    from edge_mtl.export.rebuild import rebuild

    bundle = Bundle.open(path)
    with stages() as tell:
        made = rebuild(bundle, output or path, wishes, tell)
    made.save()
    [(name, built)] = made.manifest.engines.items()
    signed = "; its signature is gone: sign it again" if bundle.signature else ""
    gpus = ", ".join(built.compute_capabilities) or "any"
    line = f"{made.path}: {name}, {built.module} {built.version}, compute capability {gpus}{signed}"
    print(line, file=sys.stderr if json == "-" else sys.stdout)
    if json is not None:
        write_json(json, msgspec.to_builtins(made.manifest))
