"""`edge-mtl prune`: a checkpoint into a narrower one, to be trained on.

edge-mtl prune runs/a/best.safetensors --data camvid:DIR -o narrow.safetensors
edge-mtl train CONFIG name=narrow init=narrow.safetensors imagenet=false frozen_stages=0
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge_mtl.cli.options import JsonTarget, write_json


def command(
    checkpoint: Annotated[
        str, typer.Argument(help="A .safetensors checkpoint, or a name that ships: driving-s.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The narrower checkpoint.")],
    ratio: Annotated[float, typer.Option(help="The part of the channels to take away.")] = 0.3,
    data: Annotated[
        str,
        typer.Option(help="The data set on whose train split channels are ranked; no labels used."),
    ] = "rendered",
    frames: Annotated[int, typer.Option(min=1, help="Frames to rank on.")] = 32,
    json: JsonTarget = None,
) -> None:
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from edge_mtl import zoo
    from edge_mtl.cli.progress import stages
    from edge_mtl.compression.cost import Cost
    from edge_mtl.compression.pruning import prune
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.errors import UsageError
    from edge_mtl.network.checkpoint import load_checkpoint, save_checkpoint

    if output.is_dir():
        raise UsageError(
            f"{output}: expected a file to write, found a folder; give -o a name in it, such as "
            f"{output / 'narrow.safetensors'}"
        )
    network = load_checkpoint(zoo.locate(checkpoint, ".safetensors"))
    dataset = open_dataset(data, "train", frames)
    with stages() as tell:
        narrow = prune(network, ratio, dataset, lambda n, all_: tell("rank channels", n, all_))
    output.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(output, narrow.spec, narrow.state_dict(), pruned=True)
    before, after = Cost.of(network), Cost.of(narrow)
    table = Table("", "before", "after", "change")
    for name, old, new in (
        ("parameters, M", before.parameters / 1e6, after.parameters / 1e6),
        ("multiply-accumulates, G", before.macs / 1e9, after.macs / 1e9),
    ):
        table.add_row(name, f"{old:.2f}", f"{new:.2f}", f"{new / old - 1:+.0%}")
    console = Console(stderr=json == "-", markup=False)
    console.print(table)
    options = f"init={output} imagenet=false frozen_stages=0"
    console.print(f"{output}: to be trained on, with {options}", soft_wrap=True)
    if json is not None:
        about = {"checkpoint": checkpoint, "ratio": ratio, "data": dataset.name}
        write_json(json, {**about, "before": asdict(before), "after": asdict(after)})
