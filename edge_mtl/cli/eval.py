"""`edge-mtl eval`: the accuracy of a checkpoint or a bundle, by the same measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_mtl.bundle import Bundle
from edge_mtl.cli.labelled_data import Recipe, open_labelled
from edge_mtl.cli.options import EngineName, JsonTarget, Limit, Split, Threads, Trust, write_json
from edge_mtl.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from edge_mtl.data.datasets import Dataset
    from edge_mtl.evaluation.plots.report import Report
    from edge_mtl.export.parity import Parity
    from edge_mtl.network.network import Network
    from edge_mtl.runtime.engines import Engine
    from edge_mtl.spec import ModelSpec


def command(
    model: Annotated[
        str,
        typer.Argument(
            help="A bundle, a .safetensors checkpoint, or a name that ships: driving-s."
        ),
    ],
    data: Annotated[
        str, typer.Option(help="READER:PATH, such as camvid:DIR or coco:DIR, or rendered.")
    ],
    split: Split = "val",
    limit: Limit = None,
    recipe: Recipe = None,
    engine: EngineName = "auto",
    threads: Threads = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw the figures, and frames where they come from."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Also say stage by stage how a bundle differs from the network it was made of.",
        ),
    ] = None,
    trust: Trust = None,
    json: JsonTarget = None,
) -> None:
    from rich.console import Console

    from edge_mtl import zoo
    from edge_mtl.cli.progress import stages
    from edge_mtl.data.skipping import Skipping
    from edge_mtl.evaluation.accuracy import measure
    from edge_mtl.evaluation.table import accuracy_table

    if against is not None:
        # Torch, which only this needs, may be missing: better known before minutes of work.
        from edge_mtl.export.parity import CHECKED_FRAMES
    dataset = Skipping(open_labelled(data, split, limit, recipe))
    path = zoo.locate(model, ".emtl")
    if against is not None and path.suffix == ".safetensors":
        raise UsageError(
            f"--against compares a bundle with its checkpoint, and {path} is a checkpoint; give "
            "the bundle that `edge-mtl export` made of it"
        )
    spec, opened, network = _open(path, engine, threads, trust)
    try:
        # Made before anything is measured: the folder may be no good, or Matplotlib missing.
        report = None if plots is None else _make_report(plots, spec, opened, dataset)
        with stages() as tell:
            evaluation = measure(
                spec,
                opened,
                dataset,
                lambda n, all_: tell(dataset.name, n, all_),
                each_frame=report is not None,
            )
        accuracy = evaluation.accuracy
        table = accuracy_table({f"{spec.name}, {opened.name}": accuracy})
        console = Console(stderr=json == "-")
        console.print(table)
        parity = None
        if against is not None:
            first = open_labelled(data, split, min(limit or CHECKED_FRAMES, CHECKED_FRAMES), recipe)
            bundle = Bundle.open(path, trust)
            parity = _compare_stages(against, bundle, opened.name, Skipping(first), console)
        if json is not None:
            about = {"model": model, "data": dataset.name, "split": split, "engine": opened.name}
            stage_by_stage = {} if parity is None else {"parity": parity.to_json()}
            write_json(json, {**about, **accuracy.to_json(), **stage_by_stage})
        # Plots come last: where one fails, the figures are out.
        if report is not None and plots is not None:
            with stages() as tell:
                report.draw(evaluation, network, lambda n, all_: tell("plots", n, all_))
            _plot_run(path, plots)
        if parity is not None:
            parity.check()
    finally:
        opened.close()


def _open(
    path: Path, engine: str, threads: int | None, trusted: Path | None
) -> tuple[ModelSpec, Engine, Network | None]:
    """The spec, what runs the network and, of a checkpoint, the network itself.

    Raises:
        UsageError: an engine is asked for that does not run checkpoints, or a signature, which none
            has.
    """
    if path.suffix == ".safetensors":
        from edge_mtl.cli.model_files import open_checkpoint

        network = open_checkpoint(path, engine, trusted)
        from edge_mtl.network.engine import TorchEngine

        return network.spec, TorchEngine(network, network.spec, threads), network
    from edge_mtl.runtime.engines import open_engine

    bundle = Bundle.open(path, trusted)
    return bundle.spec, open_engine(engine, bundle, threads), None


def _compare_stages(
    checkpoint: str, bundle: Bundle, engine: str, frames: Dataset, console: Console
) -> Parity:
    from edge_mtl import zoo
    from edge_mtl.cli.parity import print_parity
    from edge_mtl.network.checkpoint import load_checkpoint

    network = load_checkpoint(zoo.locate(checkpoint, ".safetensors"))
    return print_parity(network, bundle, engine, frames, console)


def _make_report(folder: Path, spec: ModelSpec, engine: Engine, dataset: Dataset) -> Report:
    from edge_mtl.evaluation.plots.report import Report

    return Report(folder, spec, engine, dataset)


def _plot_run(model: Path, plots: Path) -> None:
    """Draw the training of a checkpoint that still lies in the folder of its run."""
    metrics = model.with_name("metrics.jsonl")
    if model.suffix == ".safetensors" and metrics.exists():
        from edge_mtl.evaluation.plots.curves import plot_training

        plot_training(metrics, plots / "training.png")
