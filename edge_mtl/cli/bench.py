"""`edge-mtl bench`: the latency of every stage, on frames that are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

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
    from edge_mtl.bundle import Bundle

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

    from edge_mtl.bundle import Bundle
    from edge_mtl.cli.model_files import open_model, open_pipelines
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
    model_file = open_model(model, engine, trust)
    [pipeline] = open_pipelines(model_file, engine, threads, masks.value)
    with pipeline, progress.status(f"measuring for {seconds:g} s"):
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
    # Nobody wrote down what a checkpoint reaches.
    accuracy = _accuracy(model_file) if isinstance(model_file, Bundle) else None
    console.print(_told(accuracy, model), soft_wrap=True)
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
            "accuracy": accuracy,
        }
        write_json(json, {**about, **report.steady.to_json()})


def _accuracy(bundle: Bundle) -> dict[str, Any]:
    """What the export measured of the bundle, by labels and, of what had none, by agreement with
    the float network: a latency alone says nothing of a network."""
    manifest = bundle.manifest
    report = manifest.report or {"kept": "", "candidates": ()}
    figures = [
        each
        for candidate in report["candidates"]
        if candidate["precision"] == report["kept"]
        for each in candidate["figures"]
        if each["basis"] == "agreement"
    ]
    return {
        "data": manifest.accuracy_data,
        "labels": (manifest.accuracy or {}).get("exported", {}),
        "agreement": {each["task"]: {each["figure"]: each["after"]} for each in figures},
    }


def _told(accuracy: dict[str, Any] | None, model: str) -> str:
    """The accuracy in a line, to stand below the latency."""
    from edge_mtl.headline import told

    accuracy = accuracy or {"data": None, "labels": {}, "agreement": {}}
    shown = told(accuracy["labels"])
    agreement = ", ".join(
        f"{task} {figure} {value:.3f}"
        for task, figures in accuracy["agreement"].items()
        for figure, value in figures.items()
    )
    if agreement:
        shown += f"{'; ' * bool(shown)}as the float network: {agreement}"
    if not shown:
        return f"accuracy: nobody measured it; `edge-mtl eval {model} --data DATA` does"
    return f"accuracy on {accuracy['data']}: {shown}"
