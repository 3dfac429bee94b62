"""`edge-mtl run`: a source through a model into files, windows and pages."""

from __future__ import annotations

from contextlib import ExitStack
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from edge_mtl.cli.options import (
    EngineName,
    JsonTarget,
    Masks,
    MaskSizeName,
    Model,
    Threads,
    Trust,
    write_json,
)
from edge_mtl.cli.sink_options import with_sink_options
from edge_mtl.errors import UsageError

if TYPE_CHECKING:
    from edge_mtl.scene import Scene


_LANES_OF_FILES = 2


class LateName(str, Enum):
    """The values of `--late`; see `Stream`."""

    report = "report"
    skip = "skip"


@with_sink_options
def command(
    *,
    model: Model,
    source: Annotated[
        str,
        typer.Option(
            "--source",
            "-s",
            help="A camera (0, csi:0), rtsp:// or http:// address, gst:PIPELINE, video, folder of "
            "images, or rendered; options behind a #, as in 0#width=1280,height=720.",
        ),
    ],
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=1000,
            metavar="FPS",
            help="Play a file at so many frames a second and drop what is late, as a camera does.",
        ),
    ] = None,
    engine: EngineName = "auto",
    threads: Threads = None,
    masks: Masks = MaskSizeName.frame,
    outputs: dict[str, str],
    segment_mb: Annotated[
        int | None, typer.Option(min=1, help="Start a new file whenever one has so many MB.")
    ] = None,
    segments: Annotated[
        int | None,
        typer.Option(min=2, help="Keep so many files of each kind; the oldest make room."),
    ] = None,
    track: Annotated[
        bool, typer.Option("--track", help="Number the boxes: the same thing, the same number.")
    ] = False,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.")] = None,
    lanes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=16,
            help="Frames that are worked on at a time: more give more frames a second and older "
            "scenes. 1 for cameras, 2 for files.",
        ),
    ] = None,
    deadline_ms: Annotated[
        float | None, typer.Option(min=1, help="How old a frame may be when its scene is there.")
    ] = None,
    late: Annotated[
        LateName,
        typer.Option(help="Count late scenes, or also skip frames that are too old at the start."),
    ] = LateName.report,
    trust: Trust = None,
    json: JsonTarget = None,
) -> None:
    from rich.console import Console
    from rich.progress import TextColumn

    from edge_mtl.cli.model_files import open_model, open_pipelines
    from edge_mtl.cli.progress import make_progress
    from edge_mtl.runtime.sinks import Setting
    from edge_mtl.runtime.sinks.outputs import Outputs
    from edge_mtl.runtime.sinks.segments import Cut
    from edge_mtl.runtime.sources import open_source
    from edge_mtl.runtime.stream import Stream
    from edge_mtl.runtime.systemd import Notifier

    if segments is not None and segment_mb is None:
        raise UsageError("--segments needs --segment-mb, the size at which a new file starts")
    cut = None if segment_mb is None else Cut(segment_mb * 1_000_000, segments)
    with ExitStack() as stack:
        opened = open_source(source, rate)
        stack.callback(opened.close)
        count = lanes or (1 if opened.live else _LANES_OF_FILES)
        model_file = open_model(model, engine, trust)
        pipelines = open_pipelines(model_file, engine, threads, masks.value, count)
        for pipeline in pipelines:
            stack.enter_context(pipeline)
        tracker = None
        if track:
            from edge_mtl.runtime.tracking import Tracker

            tracker = Tracker(opened.frames_per_second)
        sink = Outputs.open(outputs, Setting(opened), cut, tracker)
        stack.callback(sink.close)
        progress = stack.enter_context(make_progress(TextColumn("{task.fields[latency]}")))
        total = min((n for n in (opened.length, frames) if n is not None), default=None)
        bar = progress.add_task(opened.name, total=total, latency="")

        service = Notifier()
        stack.callback(service.stopping)

        def show_progress(scene: Scene) -> None:
            service.alive()
            latency_ms = sum(scene.stages_ms.values())
            progress.update(bar, advance=1, latency=f"{latency_ms:.1f} ms")

        report = Stream(
            opened,
            pipelines,
            [sink],
            max_frames=frames,
            on_scene=show_progress,
            deadline_ms=deadline_ms,
            late=late.value,
        ).run()

    console = Console(stderr="-" in (outputs.get("jsonl"), json), markup=False)
    console.print(f"{model} on {opened.name}, {pipelines[0].engine.name}")
    console.print(report.latency.table())
    if report.dropped or report.skipped:
        console.print(f"{report.dropped} frames dropped, {report.skipped} pictures unreadable")
    if deadline_ms is not None:
        console.print(
            f"{report.missed} scenes past the deadline of {deadline_ms:g} ms, "
            f"{report.stale} frames skipped"
        )
    taken = sink.report()
    for name, each in taken.items():
        if each.dropped:
            console.print(f"{name}: {each.written} frames written, {each.dropped} dropped")
    if json is not None:
        about = {"model": model, "source": opened.name, "engine": pipelines[0].engine.name}
        by_sink = {name: each.to_json() for name, each in taken.items()}
        write_json(json, {**about, **report.to_json(), "sinks": by_sink})
    if any(each.failure is not None for each in taken.values()):
        raise typer.Exit(1)  # it was said when it happened
