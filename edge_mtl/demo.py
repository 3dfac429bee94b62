"""The whole way once, on rendered scenes: export, quantise, measure, stream.

Needs no data, no GPU and no network connection; the network is the one that ships.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_mtl import zoo
from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.export.exporter import Export, ExportSettings, export
from edge_mtl.machine import Machine
from edge_mtl.network.checkpoint import load_checkpoint
from edge_mtl.runtime.draw import Annotator
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sinks import Sink
from edge_mtl.runtime.sinks.json_lines import JsonLinesSink
from edge_mtl.runtime.sinks.video import VideoSink
from edge_mtl.runtime.sources import open_source
from edge_mtl.runtime.stream import Stream, StreamReport

MODEL = "driving-s"
CALIBRATION_FRAMES = 64
HELD_OUT_FRAMES = 64
SIZE = (960, 540)
# Few frames of many streets, none of which is in the drive that is streamed.
_CLIP_FRAMES, _CLIP_FPS = 8, 1.0
_SEEDS = {"train": 101, "val": 202}
_DRIVE_SEED = 303


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo found out; its files are in the folder that it was given.

    drive: the source that was streamed.
    """

    export: Export
    stream: StreamReport
    engine: str
    drive: str


def run_demo(folder: Path, frames: int, tell: Callable[[str, int, int], None]) -> Demo:
    """Leave `driving-s.emtl`, `accuracy.json`, `annotated.mp4`, `scenes.jsonl` and `latency.json`.

    Args:
        folder: made where it is missing; what an earlier demo left there is replaced.
        frames: the length of the annotated drive.
        tell: called with a stage, and how much of it is done out of how much.

    Raises:
        EdgeMtlError: a stage fails; what the stages before it made stays.
    """
    scenes = folder / "scenes"
    for split, count in (("train", CALIBRATION_FRAMES), ("val", HELD_OUT_FRAMES)):
        shutil.rmtree(scenes / split, ignore_errors=True)
        write_scene_folder(
            RenderedScenes(count, _SEEDS[split], SIZE, _CLIP_FRAMES, _CLIP_FPS),
            scenes / split,
            lambda done, total, split=split: tell(f"render {split}", done, total),  # type: ignore[misc]
        )
    exported = export(
        load_checkpoint(zoo.locate(MODEL, ".safetensors")),
        folder / f"{MODEL}.emtl",
        ExportSettings(),
        open_dataset(f"rendered:{scenes}", "train"),
        open_dataset(f"rendered:{scenes}", "val"),
        tell,
    )
    exported.bundle.save()
    _write(folder / "accuracy.json", exported.bundle.manifest.accuracy)

    drive = f"rendered:seed={_DRIVE_SEED},frames={frames},width={SIZE[0]},height={SIZE[1]}"
    source = open_source(drive)
    with Pipeline.open(exported.bundle.path) as pipeline:
        annotate = Annotator()
        sinks: list[Sink] = [
            VideoSink(folder / "annotated.mp4", source.frames_per_second, source.live, annotate),
            JsonLinesSink(str(folder / "scenes.jsonl"), source.name),
        ]
        report = Stream(
            source,
            [pipeline],
            sinks,
            on_scene=lambda scene: tell("stream", scene.frame_index + 1, frames),
        ).run()
        engine = pipeline.engine.name
    about = {"model": MODEL, "engine": engine, "machine": Machine.here().to_json()}
    _write(folder / "latency.json", {**about, **report.to_json()})
    return Demo(exported, report, engine, drive)


def _write(path: Path, data: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")
