"""edge-mtl, measured as its peers are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_mtl.bundle import Bundle
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources.video import VideoSource
from edge_mtl.runtime.stream import Stream
from peers.job import Job, RunClip

LANES = 2


def pipeline(bundle: Callable[[], Bundle], engine: str) -> Callable[[Job], Pipeline]:
    """As `Pipeline.open` gives it."""
    return lambda job: Pipeline.from_bundle(bundle(), engine, job.threads, job.masks)


def stream(bundle: Callable[[], Bundle], engine: str) -> Callable[[Job], RunClip]:
    """As `edge-mtl run` goes through a file: frames are decoded by a thread of their own and shared
    out to two lanes."""

    def open_stream(job: Job) -> RunClip:
        lanes = Pipeline.open_several(bundle(), LANES, engine, job.threads, job.masks)
        return lambda clip: _run(clip, lanes)

    return open_stream


def _run(clip: Path, lanes: list[Pipeline]) -> int:
    return Stream(VideoSource(clip), lanes).run().latency.frames
