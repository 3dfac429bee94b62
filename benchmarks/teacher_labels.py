"""What a teacher's labels of real pictures are worth where only rendered ones have labels.

    python benchmarks/teacher_labels.py --camvid data/camvid

Three runs of the same length of a network for masks and boxes: on rendered scenes alone; half on
these and half on CamVid's training frames, with the labels that driving-s gives them (`edge-mtl
label`); and, as a bound, half on CamVid's own labels. driving-s has learned from these frames: it
stands for a good network whose data one does not have. All are runs of `ablations.toml`, measured
on CamVid's validation split. The figures are added to `benchmarks/results/teacher_labels.json`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import labelled_run
import rows
import typer
from ablations import SCENES, SCENES_SEED
from checkout import commit
from labelled_run import Row
from rich.console import Console
from rich.table import Table

from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.machine import Machine
from edge_mtl.train.config import DataSource

RESULTS = rows.RESULTS / "teacher_labels.json"
DRAWS = 368
_MAIN = "from edge_mtl.cli import main; main()"


def command(
    camvid: Annotated[Path, typer.Option(help="CamVid's folder.")],
    seed: Annotated[list[int] | None, typer.Option(help="Repeat for more; 0 if left out.")] = None,
    work: Annotated[Path, typer.Option(help="Where scenes and runs are made.")] = Path("runs"),
) -> None:
    scenes, labelled = work / "ablation-scenes", work / "teacher-labels"
    if not (scenes / "dataset.json").exists():
        write_scene_folder(RenderedScenes(SCENES, SCENES_SEED, clip_frames=12, fps=2.0), scenes)
    label = ["label", "driving-s", "--data", f"images:{camvid / 'train'}", "-o", str(labelled)]
    if not (labelled / "dataset.json").exists():
        subprocess.run([sys.executable, "-c", _MAIN, *label], check=True)
    rendered = f"scenes:{scenes}"
    half = DRAWS // 2
    runs = {
        "rendered scenes alone": (DataSource(data=rendered, draws=DRAWS),),
        "and labels of driving-s": (
            DataSource(data=rendered, draws=half),
            DataSource(data=f"scenes:{labelled}", draws=half),
        ),
        "and CamVid's own labels": (
            DataSource(data=rendered, draws=half),
            DataSource(data=f"camvid:{camvid}", draws=half),
        ),
    }
    for number in seed or [0]:
        for name, sources in runs.items():
            _, miou, map50 = labelled_run.run(
                f"teacher-labels-{name}", number, sources, camvid, work
            )
            made = Row(
                name=name,
                seed=number,
                miou=miou,
                map50=map50,
                command=f"python benchmarks/teacher_labels.py --camvid DIR --seed {number}",
                machine=Machine.here(),
                commit=commit(),
            )
            rows.put_row(RESULTS, made, lambda each: (each.name, each.seed))
    Console().print(_table(rows.read_rows(RESULTS, Row)))


def _table(found_rows: list[Row]) -> Table:
    """A line a run, in percent."""
    table = Table("trained on", "seed", "mIoU", "mAP50")
    for row in found_rows:
        table.add_row(row.name, str(row.seed), f"{100 * row.miou:.1f}", f"{100 * row.map50:.1f}")
    return table


if __name__ == "__main__":
    typer.run(command)
