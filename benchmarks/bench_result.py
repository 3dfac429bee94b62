"""A `BenchResult` of a script: curves or estimates, and where they come from."""

from __future__ import annotations

import datetime
import shlex
import sys
from typing import Any

from checkout import commit

import edge_mtl
from edge_mtl.benchmark.result import BenchResult
from edge_mtl.machine import Machine, gpus


def of(frame_size: tuple[int, int], threads: int | None = None, **found: Any) -> BenchResult:
    """found: the fields of the result that the script has filled."""
    return BenchResult(
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(),
        command=shlex.join(
            ("python", "benchmarks/" + sys.argv[0].rpartition("/")[2], *sys.argv[1:])
        ),
        version=edge_mtl.__version__,
        commit=commit(),
        machine=Machine.here(),
        gpus=tuple(gpu.name for gpu in gpus()),
        source="rendered",
        frame_size=frame_size,
        masks="frame",
        threads=threads,
        seconds=0.0,
        **found,
    )
