"""`edge-mtl bench`: the latency of every stage, on frames that are in memory."""

from __future__ import annotations

from typing import Annotated

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

_FRAMES_IN_MEMORY = 32


def command(
    model: Model,
    source: Annotated[
        str, typer.Option("--source", "-s", help="Where the frames are from; see `run`.")
    ] = "rendered:width=1280,height=720",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure.")] = 10.0,
    engine: EngineName = "auto",
    threads: Threads = None,
    masks: Masks = MaskSizeName.frame,
    trust: Trust = None,
    json: JsonTarget = None,
) -> None:
    from rich.console import Console

    from edge_mtl.cli.model_files import open_pipeline
    from edge_mtl.machine import Machine
    from edge_mtl.runtime.benchmark import measure
    from edge_mtl.runtime.sources import Frame, open_source

    progress = Console(stderr=True)
    frames: list[Frame] = []
    opened = open_source(source)
    try:
        with progress.status("reading frames"):
            while len(frames) < _FRAMES_IN_MEMORY and (frame := opened.read()) is not None:
                frames.append(frame)
    finally:
        opened.close()
    with (
        open_pipeline(model, engine, threads, masks.value, trust) as pipeline,
        progress.status(f"measuring for {seconds:g} s"),
    ):
        report = measure(pipeline, frames, seconds)
    console = Console(stderr=json == "-", markup=False)
    machine = Machine.here()
    height, width = frames[0].image.shape[:2]
    console.print(f"{machine.processor}, {machine.cores} cores")
    first = report.warm_up.stages["total"].max_ms
    console.print(
        f"warm-up, left out below: {report.warm_up.frames} frames, the slowest {first:.2f} ms"
    )
    console.print(f"{model} on {width}x{height} frames, {pipeline.engine.name}")
    console.print(report.steady.table())
    if json is not None:
        about = {
            "model": model,
            "engine": pipeline.engine.name,
            "threads": threads,
            "source": opened.name,
            "frame_size": [width, height],
            "masks": masks.value,
            "machine": machine.to_json(),
            "warm_up": report.warm_up.to_json(),
        }
        write_json(json, {**about, **report.steady.to_json()})
