"""`edge-mtl bench`: how fast networks are in the engines of this machine, and how accurate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from edge_mtl.cli.contenders import ALL, Measure
from edge_mtl.cli.labelled_data import Recipe
from edge_mtl.cli.options import (
    JsonTarget,
    Limit,
    Masks,
    MaskSizeName,
    ReportPage,
    ReportText,
    Split,
    Threads,
    Trust,
    write_json,
    write_text,
)
from edge_mtl.cli.progress import stages

if TYPE_CHECKING:
    from edge_mtl.benchmark.result import Accuracy
    from edge_mtl.runtime.pipeline import Pipeline


def command(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Bundles, checkpoints, or names that ship: driving-s."
        ),
    ],
    source: Annotated[
        str, typer.Option("--source", "-s", help="Where the frames are from; see `run`.")
    ] = "rendered:width=1280,height=720",
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long each is measured, by each method.")
    ] = 10.0,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            help="all that are installed (the default), auto for the fastest of them, or a name "
            "as of `run`; once for each.",
        ),
    ] = None,
    threads: Threads = None,
    masks: Masks = MaskSizeName.frame,
    rate: Annotated[
        float,
        typer.Option(min=0, max=1000, metavar="HZ", help="Of the camera; 0 for no such run."),
    ] = 30.0,
    deadline_ms: Annotated[
        float | None,
        typer.Option(
            min=1, help="How old a scene of the camera may be; until the next frame if left out."
        ),
    ] = None,
    streams: Annotated[
        int | None,
        typer.Option(min=0, help="The most at once; as many as cores if left out, 0 for none."),
    ] = None,
    starts: Annotated[
        int,
        typer.Option(min=0, help="Processes to start for the first result; 0 for none."),
    ] = 3,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="READER:PATH",
            help="Measure the accuracy too, as `eval` does, in the engine that is timed.",
        ),
    ] = None,
    split: Split = "val",
    limit: Limit = None,
    recipe: Recipe = None,
    trust: Trust = None,
    json: JsonTarget = None,
    html: ReportPage = None,
    markdown: ReportText = None,
) -> None:
    from rich.console import Console

    if html is not None:
        # Jinja, which only this needs, may be missing: better known before minutes of work.
        from edge_mtl.benchmark.report.html import write_html
    from edge_mtl.benchmark.runs import Plan
    from edge_mtl.cli.bench_output import show
    from edge_mtl.cli.bench_run import run_bench

    if deadline_ms is None:
        deadline_ms = 1e3 / rate if rate else 0.0
    if streams is None:
        streams = len(os.sched_getaffinity(0))
    plan = Plan(seconds, rate, deadline_ms, streams, starts)
    accuracy = None if data is None else _measure_on(data, split, limit, recipe)
    result = run_bench(models, engine or [ALL], source, threads, masks.value, plan, trust, accuracy)
    if json is not None:
        write_json(json, result)
    if html is not None:
        write_html([result], html)
    if markdown is not None:
        from edge_mtl.benchmark.report.markdown import to_markdown

        write_text(markdown, to_markdown([result]), "--markdown")
    to_stderr = "-" in (json, markdown)
    show(result, Console(stderr=to_stderr, markup=False, highlight=False))


def _measure_on(data: str, split: str, limit: int | None, recipe: str | None) -> Measure:
    """Measures as `edge-mtl eval` does."""
    from edge_mtl.benchmark.result import Accuracy
    from edge_mtl.cli.labelled_data import open_labelled
    from edge_mtl.data.skipping import Skipping
    from edge_mtl.evaluation.accuracy import measure
    from edge_mtl.headline import headlines

    dataset = Skipping(open_labelled(data, split, limit, recipe))

    def measured(pipeline: Pipeline) -> Accuracy:
        with stages() as tell:
            found = measure(
                pipeline.spec,
                pipeline.engine,
                dataset,
                lambda done, total: tell(f"{dataset.name} in {pipeline.engine.name}", done, total),
            )
        return Accuracy(dataset.name, "this run", headlines(found.accuracy.to_json()), {})

    return measured
