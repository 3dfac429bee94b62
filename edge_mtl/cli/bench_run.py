"""A benchmark with all that stands beside its figures."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_mtl.cli.contenders import Measure, open_contenders
from edge_mtl.cli.progress import stages
from edge_mtl.errors import EdgeMtlError

if TYPE_CHECKING:
    from edge_mtl.benchmark.result import BenchResult
    from edge_mtl.benchmark.runs import Plan
    from edge_mtl.reference import MaskSize
    from edge_mtl.runtime.sources import Frame

_FRAMES_IN_MEMORY = 32


def run_bench(
    models: Sequence[str],
    engines: Sequence[str],
    source: str,
    threads: int | None,
    mask_size: MaskSize,
    plan: Plan,
    trusted: Path | None = None,
    accuracy: Measure | None = None,
) -> BenchResult:
    """Measure what `open_contenders` opens on the first frames of a source.

    Raises:
        EdgeMtlError: the source has no frame, or as of `open_contenders` and `runs.measure`.
    """
    from edge_mtl.benchmark.result import BenchResult
    from edge_mtl.benchmark.runs import measure
    from edge_mtl.machine import Machine, gpus
    from edge_mtl.provenance import Provenance
    from edge_mtl.timing import rfc_3339

    name, frames = _read_frames(source)
    created = rfc_3339(time.time_ns())
    with (
        open_contenders(models, engines, threads, mask_size, trusted, accuracy) as opened,
        stages() as tell,
    ):
        found = measure(opened.contenders, opened.pipelines, frames, plan, tell)
    here = Provenance.here({})
    height, width = frames[0].image.shape[:2]
    return BenchResult(
        created=created,
        command=f"edge-mtl {shlex.join(sys.argv[1:])}",
        version=here.tools.get("edge-mtl", "unknown"),
        commit=here.commit or "unknown",
        machine=Machine.here(),
        gpus=tuple(gpu.told() for gpu in gpus()),
        source=name,
        frame_size=(width, height),
        masks=mask_size,
        threads=threads,
        seconds=plan.seconds,
        rounds=found.rounds,
        state=found.state,
        subjects=found.subjects,
        comparisons=found.comparisons,
        skipped=opened.skipped,
    )


def _read_frames(source: str) -> tuple[str, list[Frame]]:
    """The name of the source and its first frames."""
    from edge_mtl.runtime.sources import open_source

    frames: list[Frame] = []
    opened = open_source(source)
    try:
        while len(frames) < _FRAMES_IN_MEMORY and (frame := opened.read()) is not None:
            frames.append(frame)
    finally:
        opened.close()
    if not frames:
        raise EdgeMtlError(f"{opened.name}: expected frames to measure with, found none")
    return opened.name, frames
