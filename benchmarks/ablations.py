"""What each part of training is worth: one run a row, all with the same budget and seed.

    python benchmarks/ablations.py --camvid data/camvid
    python benchmarks/ablations.py --camvid data/camvid --row pcgrad      # one of them again

Every row is the run of `ablations.toml` with one thing changed. Networks are measured on CamVid's
validation split and on rendered scenes that no run has seen. The figures are added to
`benchmarks/results/ablations.json` row by row, with the machine and the commit, and printed as a
table; a row that is there already for the same configuration is not run again.

Runs this short rank methods roughly; `--seed` repeats a row to see how far chance goes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import rows
import typer
from checkout import commit
from rich.console import Console
from rich.table import Table

from edge_mtl.cli.progress import make_progress
from edge_mtl.config import load_config
from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.evaluation.accuracy import evaluate
from edge_mtl.headline import headline
from edge_mtl.machine import Machine
from edge_mtl.network.checkpoint import load_checkpoint
from edge_mtl.network.engine import TorchEngine
from edge_mtl.network.network import Network
from edge_mtl.train.config import TrainConfig
from edge_mtl.train.loop import train
from edge_mtl.train.weighting import METHODS, WeightingConfig

HERE = Path(__file__).parent
RESULTS = rows.RESULTS / "ablations.json"
SCENES, SCENES_SEED = 600, 1

Change = Callable[[TrainConfig], TrainConfig]


class Row(msgspec.Struct, kw_only=True):
    """A measured run. config: all that decides it, less where the data lie."""

    name: str
    seed: int
    command: str
    config: str
    minutes: float
    camvid: dict[str, Any]
    scenes: dict[str, Any]
    machine: dict[str, Any]
    commit: str


def only(*names: str) -> Change:
    """The same run with these tasks alone: the rest of the network is not even made."""

    def change(config: TrainConfig) -> TrainConfig:
        tasks = tuple(task for task in config.model.tasks if task.name in names)
        model = msgspec.structs.replace(config.model, tasks=tasks)
        weights = dict.fromkeys(names, 1.0)
        return msgspec.structs.replace(config, model=model, loss_weights=weights)

    return change


def weighted_by(method: Any) -> Change:
    return lambda config: msgspec.structs.replace(config, weighting=WeightingConfig(method=method))


def with_attention(kind: Any) -> Change:
    return lambda config: msgspec.structs.replace(
        config, model=msgspec.structs.replace(config.model, attention=kind)
    )


def with_loss(**settings: float) -> Change:
    return lambda config: msgspec.structs.replace(
        config, loss=msgspec.structs.replace(config.loss, **settings)
    )


def from_scratch(config: TrainConfig) -> TrainConfig:
    """Random weights, whose norms have to find their statistics first."""
    return msgspec.structs.replace(config, imagenet=False, frozen_norm=False, backbone_rate=1.0)


ROWS: dict[str, Change] = {
    "all-tasks": lambda config: config,
    "segmentation": only("segmentation"),
    "detection": only("detection"),
    "pose": only("detection", "pose"),  # there is no pose without its boxes
    "classification": only("time", "weather"),
    **{method: weighted_by(method) for method in METHODS if method != "fixed"},
    "from-scratch": from_scratch,
    "squeeze-excite": with_attention("squeeze-excite"),
    "cross-task": with_attention("cross-task"),
    "no-lovasz": with_loss(lovasz=0.0),
    "balanced": with_loss(class_balance=1.0),
    "balanced-no-lovasz": with_loss(class_balance=1.0, lovasz=0.0),
}


def command(
    camvid: Annotated[Path, typer.Option(help="CamVid's folder.")],
    row: Annotated[list[str] | None, typer.Option(help="Of these alone; repeat for more.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Repeat for more; 0 if left out.")] = None,
    work: Annotated[Path, typer.Option(help="Where scenes and runs are made.")] = Path("runs"),
) -> None:
    unknown = sorted(set(row or ()) - set(ROWS))
    if unknown:
        raise typer.BadParameter(f"no row {unknown[0]!r}; choose among {', '.join(ROWS)}")
    scenes = work / "ablation-scenes"
    if not (scenes / "dataset.json").exists():
        write_scene_folder(RenderedScenes(SCENES, SCENES_SEED, clip_frames=12, fps=2.0), scenes)
    for name in row or ROWS:
        for number in seed or [0]:
            config = _config(name, number, camvid, scenes)
            essence = msgspec.json.encode(_without_places(config)).decode()
            if any(each.config == essence for each in rows.read_rows(RESULTS, Row)):
                continue
            made = _run(name, config, essence, camvid, work)
            rows.put_row(RESULTS, made, lambda each: (each.name, each.seed))
    Console().print(_table(rows.read_rows(RESULTS, Row)))


def figures_of(network: Network, data: str, limit: int | None = None) -> dict[str, Any]:
    """The accuracy of a network in torch on the val split of a data set."""
    engine = TorchEngine(network, network.spec)
    return evaluate(network.spec, engine, open_dataset(data, "val", limit)).to_json()


def _config(name: str, seed: int, camvid: Path, scenes: Path) -> TrainConfig:
    base = load_config(HERE / "ablations.toml", TrainConfig)
    places = {"camvid:CAMVID": f"camvid:{camvid}", "scenes:SCENES": f"scenes:{scenes}"}
    train_sources = tuple(
        msgspec.structs.replace(each, data=places[each.data]) for each in base.data.train
    )
    val = msgspec.structs.replace(base.data.val, data=places[base.data.val.data])
    if name == "classification":  # CamVid says nothing of time and weather
        train_sources, val = train_sources[1:], train_sources[1]
        train_sources = (msgspec.structs.replace(train_sources[0], draws=567),)
        val = msgspec.structs.replace(val, draws=None)
    data = msgspec.structs.replace(base.data, train=train_sources, val=val, val_limit=20)
    run = f"ablation-{name}-{seed}"
    return ROWS[name](msgspec.structs.replace(base, name=run, seed=seed, data=data))


def _without_places(config: TrainConfig) -> TrainConfig:
    sources = tuple(
        msgspec.structs.replace(each, data=each.data.partition(":")[0])
        for each in config.data.train
    )
    val = msgspec.structs.replace(config.data.val, data=config.data.val.data.partition(":")[0])
    data = msgspec.structs.replace(config.data, train=sources, val=val)
    return msgspec.structs.replace(config, data=data)


def _run(name: str, config: TrainConfig, essence: str, camvid: Path, work: Path) -> Row:
    with make_progress() as bar:
        folder = train(config, work, bar)
    lines = (folder / "metrics.jsonl").read_bytes().splitlines()
    network = load_checkpoint(folder / "last.safetensors")
    figures: dict[str, dict[str, Any]] = {}
    for kind, data, limit in (("camvid", f"camvid:{camvid}", None), ("scenes", "rendered", 60)):
        if kind == "camvid" and name == "classification":
            figures[kind] = {}
            continue
        figures[kind] = figures_of(network, data, limit)
    return Row(
        name=name,
        seed=config.seed,
        command=f"python benchmarks/ablations.py --camvid DIR --row {name} --seed {config.seed}",
        config=essence,
        minutes=round(sum(msgspec.json.decode(line)["seconds"] for line in lines) / 60, 1),
        machine=msgspec.to_builtins(Machine.here()),
        commit=commit(),
        **figures,
    )


def _table(found_rows: list[Row]) -> Table:
    """A line a row, the mean over its seeds, in percent."""
    table = Table(
        "run", "seeds", "mIoU", "mAP50", "scenes: mIoU", "mAP50", "PCK", "time", "weather"
    )
    for name in ROWS:
        found = [each for each in found_rows if each.name == name]
        if not found:
            continue
        cells = []
        for data, task in (
            *(("camvid", "segmentation"), ("camvid", "detection")),
            *(("scenes", "segmentation"), ("scenes", "detection")),
            *(("scenes", "pose"), ("scenes", "time"), ("scenes", "weather")),
        ):
            values = [
                headline(figures[task])[1]
                for figures in (getattr(each, data) for each in found)
                if task in figures
            ]
            cells.append(f"{100 * statistics.mean(values):.1f}" if values else "")
        table.add_row(name, ", ".join(str(each.seed) for each in found), *cells)
    return table


if __name__ == "__main__":
    typer.run(command)
