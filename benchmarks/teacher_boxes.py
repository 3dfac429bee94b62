"""What a foreign detector's boxes are worth where no real street has any.

    python benchmarks/teacher_boxes.py --camvid data/camvid --teacher FastestDet.onnx

Three runs of the same length of a detection network: on rendered scenes alone; half on these and
half on CamVid's training frames with the boxes that FastestDet, which knows COCO alone, gives them
(`edge-mtl label`); and, as a bound, half on CamVid's own boxes. All are runs of `ablations.toml`
with boxes alone, measured on CamVid's validation split. The figures are added to
`benchmarks/results/teacher_boxes.json`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import rows
import typer
from ablations import HERE, SCENES, SCENES_SEED, figures_of, only
from checkout import commit
from rich.console import Console
from rich.table import Table

from edge_mtl.cli.progress import make_progress
from edge_mtl.config import load_config
from edge_mtl.data.class_map import ClassMap
from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.machine import Machine
from edge_mtl.network.checkpoint import load_checkpoint
from edge_mtl.train.config import DataSource, TrainConfig
from edge_mtl.train.loop import train

RESULTS = rows.RESULTS / "teacher_boxes.json"
DRAWS = 368
NAMES = {"person": "pedestrian", "car": "car", "bus": "car", "truck": "car"}
_MAIN = "from edge_mtl.cli import main; main()"


class Row(msgspec.Struct, kw_only=True):
    """map50: by class, of those that the teacher knows."""

    name: str
    seed: int
    map50: dict[str, float]
    command: str
    machine: Machine
    commit: str


def command(
    camvid: Annotated[Path, typer.Option(help="CamVid's folder.")],
    teacher: Annotated[Path, typer.Option(help="FastestDet's ONNX file.")],
    seed: Annotated[list[int] | None, typer.Option(help="Repeat for more; 0 if left out.")] = None,
    work: Annotated[Path, typer.Option(help="Where scenes and runs are made.")] = Path("runs"),
) -> None:
    scenes, labelled = work / "ablation-scenes", work / "teacher-boxes-labelled"
    if not (scenes / "dataset.json").exists():
        write_scene_folder(RenderedScenes(SCENES, SCENES_SEED, clip_frames=12, fps=2.0), scenes)
    label = ["label", f"fastestdet:{teacher}", "--data", f"images:{camvid / 'train'}"]
    for old in NAMES:
        label += ["--only", old]
    if not (labelled / "dataset.json").exists():
        subprocess.run([sys.executable, "-c", _MAIN, *label, "-o", str(labelled)], check=True)
    rendered = f"scenes:{scenes}"
    half = DRAWS // 2
    # The teacher's people may sit on bicycles, and it knows no signs.
    named = DataSource(data=f"scenes:{labelled}", draws=half, classes=ClassMap(boxes=NAMES))
    runs = {
        "rendered scenes alone": (DataSource(data=rendered, draws=DRAWS),),
        "and boxes of FastestDet": (DataSource(data=rendered, draws=half), named),
        "and CamVid's own boxes": (
            DataSource(data=rendered, draws=half),
            DataSource(data=f"camvid:{camvid}", draws=half),
        ),
    }
    for number in seed or [0]:
        for name, sources in runs.items():
            _run(name, number, sources, camvid, work)
    Console().print(_table(rows.read_rows(RESULTS, Row)))


def _run(name: str, seed: int, sources: tuple[DataSource, ...], camvid: Path, work: Path) -> None:
    base = only("detection")(load_config(HERE / "ablations.toml", TrainConfig))
    val = DataSource(data=f"camvid:{camvid}", split="val")
    data = msgspec.structs.replace(base.data, train=sources, val=val, val_limit=20)
    run = f"teacher-boxes-{name.replace(' ', '-')}-{seed}"
    config = msgspec.structs.replace(base, name=run, seed=seed, data=data)
    with make_progress() as bar:
        checkpoint = train(config, work, bar) / "last.safetensors"
    per_class = figures_of(load_checkpoint(checkpoint), f"camvid:{camvid}")["detection"][
        "per_class"
    ]
    made = Row(
        name=name,
        seed=seed,
        map50={each: per_class[each]["map50"] for each in dict.fromkeys(NAMES.values())},
        command=f"python benchmarks/teacher_boxes.py --camvid DIR --teacher FILE --seed {seed}",
        machine=Machine.here(),
        commit=commit(),
    )
    rows.put_row(RESULTS, made, lambda each: (each.name, each.seed))


def _table(found_rows: list[Row]) -> Table:
    """A line a run, in percent."""
    classes = list(dict.fromkeys(NAMES.values()))
    table = Table("trained on", "seed", *(f"AP50 {each}" for each in classes))
    for row in found_rows:
        table.add_row(
            row.name, str(row.seed), *(f"{100 * row.map50[each]:.1f}" for each in classes)
        )
    return table


if __name__ == "__main__":
    typer.run(command)
