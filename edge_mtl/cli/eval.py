"""`edge-mtl eval`: the accuracy of a checkpoint or a bundle, by the same measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge_mtl.cli.options import EngineName, JsonTarget, Threads, write_json

if TYPE_CHECKING:
    from edge_mtl.runtime.engines import Engine
    from edge_mtl.spec import ModelSpec


def command(
    model: Annotated[
        str,
        typer.Argument(
            help="A bundle, a .safetensors checkpoint, or a name that ships: driving-s."
        ),
    ],
    data: Annotated[str, typer.Option(help="camvid:DIR, rendered or rendered:DIR.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many frames, evenly spaced.")
    ] = None,
    engine: EngineName = "auto",
    threads: Threads = None,
    json: JsonTarget = None,
) -> None:
    from rich.console import Console

    from edge_mtl import zoo
    from edge_mtl.cli.progress import stages
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.evaluation.accuracy import evaluate
    from edge_mtl.evaluation.table import accuracy_table

    dataset = open_dataset(data, split, limit)
    spec, opened = _open(zoo.locate(model, ".emtl"), engine, threads)
    try:
        with stages() as tell:
            accuracy = evaluate(spec, opened, dataset, lambda n, all_: tell(dataset.name, n, all_))
    finally:
        opened.close()
    Console(stderr=json == "-").print(accuracy_table({f"{spec.name}, {opened.name}": accuracy}))
    if json is not None:
        about = {"model": model, "data": dataset.name, "split": split, "engine": opened.name}
        write_json(json, {**about, **accuracy.to_json()})


def _open(path: Path, engine: str, threads: int | None) -> tuple[ModelSpec, Engine]:
    if path.suffix == ".safetensors":
        from edge_mtl.network.checkpoint import load_checkpoint
        from edge_mtl.network.engine import TorchEngine

        network = load_checkpoint(path)
        return network.spec, TorchEngine(network, network.spec)
    from edge_mtl.bundle import Bundle
    from edge_mtl.runtime.engines import open_engine

    bundle = Bundle.open(path)
    return bundle.spec, open_engine(engine, bundle, threads)
