"""`edge-mtl batch`: a bundle over many recorded drives, on this machine or a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edge_mtl.cli.options import (
    EngineName,
    JsonTarget,
    Masks,
    MaskSizeName,
    Model,
    Trust,
    write_json,
)

if TYPE_CHECKING:
    from edge_mtl.drives.clip_run import ClipOutcome


def command(
    *,
    model: Model,
    sources: Annotated[
        str,
        typer.Option(
            "--sources",
            "-s",
            help="A folder or s3://BUCKET/PREFIX that is searched for videos and folders of "
            "images, a video, or a list of these: a .txt with one a line.",
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="The folder of results, or s3://BUCKET/PREFIX; every worker writes there. What "
            "is in it already is not made again.",
        ),
    ],
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes at most; as many as the cores are enough for."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Cores of a worker.")] = 1,
    engine: EngineName = "auto",
    masks: Masks = MaskSizeName.frame,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="A Ray cluster (auto for the one that this machine is in); a Ray of its own on "
            "this machine if left out.",
        ),
    ] = None,
    trust: Trust = None,
    json: JsonTarget = None,
) -> None:
    import logging

    from rich.console import Console

    from edge_mtl import zoo
    from edge_mtl.bundle import Bundle
    from edge_mtl.cli.progress import make_progress
    from edge_mtl.drives.batch import Job, run_batch
    from edge_mtl.drives.clips import find_clips
    from edge_mtl.drives.place import Place
    from edge_mtl.errors import EdgeMtlError, unknown
    from edge_mtl.runtime.engines import ENGINES

    if engine not in ("auto", *ENGINES):
        raise unknown("engine", engine, ("auto", *ENGINES))
    log = logging.getLogger(__name__)
    bundle = Bundle.open(zoo.locate(model, ".emtl"), trust)
    clips = find_clips(sources)
    # As every worker reads it, wherever it runs.
    folder = Place.parse(out)
    absolute = folder.key if folder.is_local else out
    job = Job(bundle, engine, masks.value, threads, absolute)

    with make_progress() as progress:
        bar = progress.add_task("starting Ray", total=len(clips))

        def start(count: int, left: int) -> None:
            done = len(clips) - left
            progress.update(bar, description=f"{count} workers", completed=done)
            log.info("%d clips, %d to do, %d workers", len(clips), left, count)

        def advance(outcome: ClipOutcome) -> None:
            progress.advance(bar)
            if outcome.failure:
                log.warning("%s: %s", outcome.clip, outcome.failure)

        report = run_batch(
            job, model, clips, workers=workers, address=address, on_start=start, on_outcome=advance
        )

    console = Console(stderr=json == "-", markup=False)
    console.print(
        f"{model} on {Place.parse(sources).name}, results in {folder.name}", soft_wrap=True
    )
    if report.outcomes:
        console.print(report.table())
    console.print(report.line(), soft_wrap=True)
    if json is not None:
        about = {"model": model, "engine": engine, "sources": Place.parse(sources).name}
        write_json(json, {**about, "out": folder.name, **report.to_json()})
    if report.failures:
        raise EdgeMtlError(
            f"{len(report.failures)} of {len(clips)} clips failed, listed in "
            f"{folder.name}/failures.jsonl; the same command tries them again"
        )
