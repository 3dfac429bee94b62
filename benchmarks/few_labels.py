"""What pseudo-labels are worth where few pictures are labelled.

    python benchmarks/few_labels.py --camvid data/camvid

CamVid's training frames are of three drives; validation is on the street of one of them. In the
case `drives` the frames of the other two keep their labels, those of that street are hidden; in the
case `frames` every sixth frame keeps its labels. Three runs of the same length: from the labelled
frames alone; half from these and half from the others, with the labels that the first network gives
them (`edge-mtl label`, at two scales and mirrored); and, as a bound, from all labels. All are runs
of `ablations.toml` with masks and boxes of CamVid alone, for 8 epochs, measured on the validation
split. The figures are added to `benchmarks/results/few_labels.json`.
"""

from __future__ import annotations

import statistics
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import Annotated

import labelled_run
import rows
import typer
from checkout import commit
from rich.console import Console
from rich.table import Table

from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.labelling.confidence import Confidence
from edge_mtl.labelling.labelled import Labelled
from edge_mtl.labelling.network_teacher import NetworkTeacher
from edge_mtl.machine import Machine
from edge_mtl.train.config import DataSource

RESULTS = rows.RESULTS / "few_labels.json"
EPOCHS = 8
SCALES = (1.0, 1.5)


class Case(str, Enum):
    """Which frames keep their labels."""

    drives = "drives"
    frames = "frames"

    def keeps(self, index: int, image: Path) -> bool:
        if self is Case.drives:
            return not image.name.startswith("0016E5")  # the drive of the validation split
        return index % 6 == 0


LABELLED, PSEUDO, ALL = "labelled frames alone", "and pseudo-labels", "all labels"


class Row(labelled_run.Row, kw_only=True):
    case: Case


def command(
    camvid: Annotated[Path, typer.Option(help="CamVid's folder.")],
    case: Annotated[Case, typer.Option(help="Which frames keep their labels.")] = Case.drives,
    seed: Annotated[list[int] | None, typer.Option(help="Repeat for more; 0 if left out.")] = None,
    work: Annotated[Path, typer.Option(help="Where runs are made.")] = Path("runs"),
) -> None:
    few, others = _split(case, camvid.resolve(), work / f"few-labels-{case.value}")
    for number in seed or [0]:
        teacher = _run(case, LABELLED, number, [f"camvid:{few}"], camvid, work)
        pseudo = work / f"few-labels-{case.value}-pseudo-{number}"
        if not (pseudo / "dataset.json").exists():
            with closing(NetworkTeacher.open(teacher, scales=SCALES, mirror=True)) as opened:
                unlabelled = open_dataset(f"images:{others}", "train", None)
                write_scene_folder(Labelled(unlabelled, [opened], (), Confidence()), pseudo)
        _run(case, PSEUDO, number, [f"camvid:{few}", f"scenes:{pseudo}"], camvid, work)
        _run(case, ALL, number, [f"camvid:{camvid}"], camvid, work)
    Console().print(_table(case, rows.read_rows(RESULTS, Row)))


def _split(case: Case, camvid: Path, folder: Path) -> tuple[Path, Path]:
    """A folder in CamVid's layout with the frames that keep their labels, and one with the images
    of the others."""
    few, others = folder / "few", folder / "others"
    for each in (few / "train", few / "trainannot", others):
        each.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(sorted((camvid / "train").iterdir())):
        if not case.keeps(index, image):
            _link(others / image.name, image)
            continue
        _link(few / "train" / image.name, image)
        mask = f"{image.stem}.png"
        _link(few / "trainannot" / mask, camvid / "trainannot" / mask)
    return few, others


def _link(link: Path, target: Path) -> None:
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _run(case: Case, name: str, seed: int, sources: list[str], camvid: Path, work: Path) -> Path:
    """Train and measure; give the checkpoint."""
    draws = len(open_dataset(f"camvid:{camvid}", "train", None)) // len(sources)
    checkpoint, miou, map50 = labelled_run.run(
        f"few-labels-{case.value}-{name}",
        seed,
        tuple(DataSource(data=each, draws=draws) for each in sources),
        camvid,
        work,
        epochs=EPOCHS,
        loss_weights={"segmentation": 1.0, "detection": 0.5},
    )
    made = Row(
        case=case,
        name=name,
        seed=seed,
        miou=miou,
        map50=map50,
        command=f"python benchmarks/few_labels.py --camvid DIR --case {case.value} --seed {seed}",
        machine=Machine.here(),
        commit=commit(),
    )
    rows.put_row(RESULTS, made, lambda each: (each.case, each.name, each.seed))
    return checkpoint


def _table(case: Case, found_rows: list[Row]) -> Table:
    """A line a run, the mean over its seeds, in percent."""
    table = Table("trained from", "seeds", "mIoU", "mAP50")
    for name in (LABELLED, PSEUDO, ALL):
        found = [each for each in found_rows if (each.case, each.name) == (case, name)]
        if found:
            miou = statistics.mean(each.miou for each in found)
            map50 = statistics.mean(each.map50 for each in found)
            seeds = ", ".join(str(each.seed) for each in found)
            table.add_row(name, seeds, f"{100 * miou:.1f}", f"{100 * map50:.1f}")
    return table


if __name__ == "__main__":
    typer.run(command)
