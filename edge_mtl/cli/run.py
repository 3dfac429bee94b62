"""`edge-mtl run`: a source, or several, through a model into files, windows and pages."""

from __future__ import annotations

import logging
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
    from collections.abc import Sequence

    from edge_mtl.runtime.degrading import DegradingPipeline
    from edge_mtl.runtime.pipeline import Pipeline
    from edge_mtl.scene import Scene

_log = logging.getLogger(__name__)

_LANES_OF_FILES = 2


class LateName(str, Enum):
    """The values of `--late`; see `Stream` and `open_degrading`."""

    report = "report"
    skip = "skip"
    degrade = "degrade"


@with_sink_options
def command(
    *,
    model: Model,
    source: Annotated[
        list[str],
        typer.Option(
            "--source",
            "-s",
            help="A camera (0, csi:0), rtsp:// or http:// address, gst:PIPELINE, video, folder of "
            "images, or rendered; options behind a #, as in 0#width=1280,height=720. Once for each "
            "of several, which may have names, as in 0#name=front.",
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
    frames: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many frames, those of all sources.")
    ] = None,
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
        typer.Option(
            help="Count late scenes; also skip frames that are too old at the start; or degrade: "
            "use the bundle's lighter networks for a while."
        ),
    ] = LateName.report,
    batch_wait_ms: Annotated[
        float,
        typer.Option(
            min=0,
            max=1000,
            help="How long a frame may wait for those of other sources, with an engine that takes "
            "several at once.",
        ),
    ] = 5.0,
    trust: Trust = None,
    json: JsonTarget = None,
) -> None:
    from rich.console import Console
    from rich.progress import TextColumn

    from edge_mtl.cli.camera_table import camera_table
    from edge_mtl.cli.logs import as_json
    from edge_mtl.cli.model_files import open_degrading_pipelines, open_model, open_pipelines
    from edge_mtl.cli.progress import make_progress
    from edge_mtl.machine import peak_memory_mb
    from edge_mtl.runtime.sinks.by_camera import ByCamera
    from edge_mtl.runtime.sinks.segments import Cut
    from edge_mtl.runtime.sources import Source, open_source
    from edge_mtl.runtime.sources.cameras import Cameras
    from edge_mtl.runtime.stream import Stream
    from edge_mtl.runtime.systemd import Notifier

    if segments is not None and segment_mb is None:
        raise UsageError("--segments needs --segment-mb, the size at which a new file starts")
    if len(source) > 1 and "show" in outputs:
        raise UsageError("--show is for one source; --web HOST:PORT shows several on one page")
    if late is LateName.degrade and deadline_ms is None:
        raise UsageError("--late degrade needs --deadline-ms, past which scenes are late")
    cut = None if segment_mb is None else Cut(segment_mb * 1_000_000, segments)
    with ExitStack() as stack:
        opened: Source | Cameras
        if len(source) == 1:
            opened = open_source(source[0], rate)
            sources = {"": opened}
        else:
            opened = Cameras.open(source, rate)
            sources = dict(opened.sources)
        stack.callback(opened.close)
        count = lanes or (1 if opened.live else _LANES_OF_FILES)
        model_file = open_model(model, engine, trust)
        pipelines: Sequence[Pipeline | DegradingPipeline]
        if late is LateName.degrade and deadline_ms is not None:
            pipelines = open_degrading_pipelines(
                model_file, deadline_ms, engine, threads, masks.value, count, len(sources)
            )
        else:
            pipelines = open_pipelines(
                model_file, engine, threads, masks.value, count, len(sources)
            )
        del model_file  # its engines have what they need, and it has as much as all its networks
        for pipeline in pipelines:
            stack.callback(pipeline.close)
        new_tracker = None
        if track:
            from edge_mtl.runtime.tracking import Tracker

            def new_tracker(each: Source) -> Tracker:
                return Tracker(each.frames_per_second)

        sink = ByCamera.open(outputs, sources, cut, new_tracker)
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
            on_wait=service.waiting,
            on_stop=sink.stop,
            deadline_ms=deadline_ms,
            late="skip" if late is LateName.skip else "report",
            batch_wait_ms=batch_wait_ms,
        ).run()

    to_stderr = "-" in (outputs.get("jsonl"), json)
    console = Console(stderr=to_stderr, markup=False, quiet=as_json())
    console.print(f"{model} on {opened.name}, {pipelines[0].engine.name}")
    console.print(report.latency.table())
    if report.cameras:
        console.print(camera_table(report.cameras))
    if report.dropped or report.skipped:
        console.print(f"{report.dropped} frames dropped, {report.skipped} pictures unreadable")
    if deadline_ms is not None:
        console.print(
            f"{report.missed} scenes past the deadline of {deadline_ms:g} ms, "
            f"{report.stale} frames skipped"
        )
    if report.faulty:
        console.print(f"{report.faulty} frames dropped of which the network made no numbers")
    if report.degraded:
        console.print(f"{report.degraded} scenes degraded, in {report.degradations} stretches")
    taken = sink.report()
    for camera, sinks in taken.items():
        for name, each in sinks.items():
            if each.dropped:
                told = f"{name}: {each.written} frames written, {each.dropped} dropped"
                console.print(f"{camera}: {told}" if camera else told)
    about = {"model": model, "source": opened.name, "engine": pipelines[0].engine.name}
    memory = {"peak_memory_mb": peak_memory_mb()}
    figures = {**about, **report.to_json(), **memory}
    for camera, sinks in taken.items():
        by_sink = {name: each.to_json() for name, each in sinks.items()}
        (figures["cameras"][camera] if camera else figures)["sinks"] = by_sink
    if as_json():
        _log.info("%s ended", opened.name, extra={"report": figures})
    if json is not None:
        write_json(json, figures)
    failures = [each.failure for sinks in taken.values() for each in sinks.values()]
    failures += [each.failure for each in report.cameras.values()]
    if any(failure is not None for failure in failures):
        raise typer.Exit(1)  # it was said when it happened
