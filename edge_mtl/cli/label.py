"""`edge-mtl label`: pseudo-labels from teachers, as a data set to train with."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from edge_mtl.cli.options import EngineName, JsonTarget, Limit, Split, Threads, Trust, write_json
from edge_mtl.errors import UsageError


def command(
    teachers: Annotated[
        list[str],
        typer.Argument(
            metavar="TEACHER...",
            help="A .safetensors checkpoint, a bundle, a name that ships (driving-s), "
            "fastestdet:FILE.onnx, or movenet:FILE.tflite for the keypoints of people.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(help="images:DIR, video:FILE, or any data set, whose own labels are kept."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The new folder; read it as scenes:DIR.")
    ],
    split: Split = "train",
    limit: Limit = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Pixels: the probability that makes a label.")
    ] = 0.9,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Boxes: the score that makes a label.")
    ] = 0.5,
    doubtful_score: Annotated[
        float, typer.Option(min=0, max=1, help="Boxes from here on are ignored areas.")
    ] = 0.2,
    min_keypoint: Annotated[
        float, typer.Option(min=0, max=1, help="Keypoints: the score that makes a label.")
    ] = 0.3,
    min_attribute: Annotated[
        float, typer.Option(min=0, max=1, help="Attributes: the score that makes a label.")
    ] = 0.9,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="A box class of the teachers, such as person=pedestrian; repeat for more.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="A box class of the teachers that counts; repeat for more; else all."),
    ] = None,
    scales: Annotated[
        list[float] | None,
        typer.Option("--scale", min=0.1, max=4, help="Of a checkpoint's input; repeat for more."),
    ] = None,
    mirror: Annotated[bool, typer.Option(help="Look at the mirror image of each frame too.")] = (
        True
    ),
    engine: EngineName = "auto",
    threads: Threads = None,
    trust: Trust = None,
    json: JsonTarget = None,
) -> None:
    from rich.console import Console

    from edge_mtl.cli.progress import stages
    from edge_mtl.data.datasets import open_dataset
    from edge_mtl.data.scene_folder import SceneFolder
    from edge_mtl.data.scene_writer import write_scene_folder
    from edge_mtl.data.skipping import Skipping
    from edge_mtl.labelling import Looking, open_teachers
    from edge_mtl.labelling.census import take_census
    from edge_mtl.labelling.confidence import Confidence
    from edge_mtl.labelling.labelled import Labelled

    confidence = Confidence(
        pixel=min_confidence,
        box=min_score,
        doubtful_box=doubtful_score,
        keypoint=min_keypoint,
        attribute=min_attribute,
    )
    renamed = dict(_renaming(each) for each in rename or ())
    dataset = Skipping(open_dataset(data, split, limit))
    looking = Looking(mirror, tuple(scales or (1.0,)), engine, threads, trust)
    with ExitStack() as stack:
        opened = open_teachers(teachers, looking, stack)
        labelled = Labelled(dataset, *opened, confidence, renamed, only or ())
        tell = stack.enter_context(stages())
        write_scene_folder(labelled, output, lambda n, all_: tell("label", n, all_))
        # As it was written: what the students will read.
        written = SceneFolder(output)
        census = take_census(written, lambda n, all_: tell("count", n, all_))
    console = Console(stderr=json == "-", markup=False)
    console.print(census.table())
    console.print(f"{output}: {labelled.name}")
    if skipped := dataset.report.skipped:
        console.print(f"{skipped} unreadable frames: those that follow them stand in their places")
    if json is not None:
        about = {"teachers": teachers, "data": dataset.name, "split": split, "output": str(output)}
        write_json(json, {**about, "confidence": confidence, "skipped": skipped, "labels": census})


def _renaming(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise UsageError(f"expected --rename OLD=NEW, found {text!r}; such as person=pedestrian")
    return old, new
