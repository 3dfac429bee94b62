"""`edge-mtl run`: a source through a model into a video, JSON lines or a window."""

from __future__ import annotations

from contextlib import ExitStack
from enum import Enum
from pathlib import Path
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

if TYPE_CHECKING:
    from edge_mtl.runtime.sinks import Sink
    from edge_mtl.runtime.sources import Source
    from edge_mtl.scene import Scene


_LANES_OF_FILES = 2


class LateName(str, Enum):
    """The values of `--late`; see `Stream`."""

    report = "report"
    skip = "skip"


def command(
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
    save: Annotated[
        Path | None, typer.Option(help="Write the annotated video: .mp4, .mov, .mkv or .avi.")
    ] = None,
    jsonl: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a JSON line a frame; - for stdout.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show the annotated frames.")] = False,
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

    from edge_mtl.cli.model_files import open_pipelines
    from edge_mtl.cli.progress import make_progress
    from edge_mtl.runtime.sources import open_source
    from edge_mtl.runtime.stream import Stream

    with ExitStack() as stack:
        opened = open_source(source, rate)
        stack.callback(opened.close)
        count = lanes or (1 if opened.live else _LANES_OF_FILES)
        pipelines = open_pipelines(model, engine, threads, masks.value, trust, count)
        for pipeline in pipelines:
            stack.enter_context(pipeline)
        sinks = _open_sinks(stack, opened, save, jsonl, show)
        progress = stack.enter_context(make_progress(TextColumn("{task.fields[latency]}")))
        total = min((n for n in (opened.length, frames) if n is not None), default=None)
        bar = progress.add_task(opened.name, total=total, latency="")

        def show_progress(scene: Scene) -> None:
            latency_ms = sum(scene.stages_ms.values())
            progress.update(bar, advance=1, latency=f"{latency_ms:.1f} ms")

        report = Stream(
            opened,
            pipelines,
            sinks,
            max_frames=frames,
            on_scene=show_progress,
            deadline_ms=deadline_ms,
            late=late.value,
        ).run()

    console = Console(stderr="-" in (jsonl, json), markup=False)
    console.print(f"{model} on {opened.name}, {pipelines[0].engine.name}")
    console.print(report.latency.table())
    if report.dropped or report.skipped:
        console.print(f"{report.dropped} frames dropped, {report.skipped} pictures unreadable")
    if deadline_ms is not None:
        console.print(
            f"{report.missed} scenes past the deadline of {deadline_ms:g} ms, "
            f"{report.stale} frames skipped"
        )
    if json is not None:
        about = {"model": model, "source": opened.name, "engine": pipelines[0].engine.name}
        write_json(json, {**about, **report.to_json()})


def _open_sinks(
    stack: ExitStack, source: Source, save: Path | None, jsonl: str | None, show: bool
) -> list[Sink]:
    """The sinks in the order in which they get a scene; `stack` closes them."""
    sinks: list[Sink] = []
    if jsonl is not None:
        from edge_mtl.runtime.sinks.json_lines import JsonLinesSink

        sinks.append(JsonLinesSink(jsonl))
        stack.callback(sinks[-1].close)
    if save is None and not show:
        return sinks
    from edge_mtl.runtime.draw import Annotator

    annotate = Annotator()
    if save is not None:
        from edge_mtl.runtime.sinks.video import VideoSink

        sinks.append(VideoSink(save, source.frames_per_second, source.live, annotate))
        stack.callback(sinks[-1].close)
    if show:
        from edge_mtl.runtime.sinks.window import WindowSink

        sinks.append(WindowSink(source.name, annotate))
    return sinks
