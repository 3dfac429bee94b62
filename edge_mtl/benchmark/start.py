"""From the start of `edge-mtl run` to its first line of results, and the memory that it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mtl.benchmark.result import Start
from edge_mtl.errors import EdgeMtlError

FRAMES = 10
"""In each process: buffers that only later frames take count too."""
_PATIENCE_S = 300.0
_COMMAND = "from edge_mtl.cli import main; main()"


def start_processes(arguments: Sequence[str], frame: NDArray[np.uint8], count: int) -> Start:
    """Start `edge-mtl run` so many times, one after the other, on pictures of one lane; the first
    may find empty caches.

    Args:
        arguments: the model, and options of `edge-mtl run` such as the engine.

    Raises:
        EdgeMtlError: a process failed, with the last line that it said.
    """
    import cv2

    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder, "pictures")
        pictures.mkdir()
        for number in range(FRAMES):
            cv2.imwrite(str(pictures / f"{number}.png"), frame)
        report = Path(folder, "report.json")
        options = ["--lanes", "1", "--jsonl", "-", "--json", str(report)]
        command = ["run", *arguments, "--source", str(pictures), *options]
        found = [_start(command, report) for _ in range(count)]
    return Start(
        tuple(round(seconds, 4) for seconds, _ in found),
        max(memory_mb for _, memory_mb in found),
    )


def _start(command: Sequence[str], report: Path) -> tuple[float, float]:
    words = [sys.executable, "-c", _COMMAND, *command]
    start = time.perf_counter()
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said) as process,
    ):
        assert process.stdout is not None
        timer = threading.Timer(_PATIENCE_S, process.kill)
        timer.start()
        try:
            first = process.stdout.readline()
            seconds = time.perf_counter() - start
            process.communicate()
        finally:
            timer.cancel()
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    if process.returncode or not first:
        raise EdgeMtlError(
            f"expected scenes, found exit code {process.returncode} and "
            f"{lines[-1] if lines else 'no word'!r}; run it yourself: edge-mtl {' '.join(command)}"
        )
    return seconds, float(json.loads(report.read_bytes())["peak_memory_mb"])
