"""A camera of 60 frames a second before an engine that takes longer, in a process of its own.

    python tests/runtime/soak.py BUNDLE SECONDS FILE

Writes the scenes as JSON lines to FILE, and to standard output how old each was, how long its frame
took, and the process's memory as it went.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sinks import Sink
from edge_mtl.runtime.sinks.behind import Behind
from edge_mtl.runtime.sinks.json_lines import JsonLinesSink
from edge_mtl.runtime.sinks.outputs import Outputs
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.sources.live import LiveOptions, LiveSource
from edge_mtl.runtime.stream import Stream
from edge_mtl.scene import Scene

ENGINE_S = 0.04
STALL_S = 1.0
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024


class Camera:
    """Frames of 1280x720 at their times; who comes late gets the last one that there was."""

    frames_per_second = 60.0

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()
        self._seen = -1

    def grab(self) -> int:
        step_ns = round(1e9 / self.frames_per_second)
        due = (time.monotonic_ns() - self._start_ns) // step_ns
        if due <= self._seen:
            due = self._seen + 1
            time.sleep(max(0.0, (self._start_ns + due * step_ns - time.monotonic_ns()) / 1e9))
        self._seen = due
        return self._start_ns + due * step_ns

    def retrieve(self) -> NDArray[np.uint8]:
        return np.full((720, 1280, 3), self._seen % 256, np.uint8)

    def release(self) -> None:
        """Nothing is held."""


class StallsOnce:
    """Hands scenes on, the first one late, so that all that wait behind it fill their queues once.

    A busy machine would see to that at some time; the memory that it takes stays with the process
    and is no leak.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._stall_s = STALL_S

    def write(self, scene: Scene, frame: Frame) -> None:
        time.sleep(self._stall_s)
        self._stall_s = 0.0
        self._sink.write(scene, frame)

    def close(self) -> None:
        self._sink.close()


def main(bundle: str, seconds: float, lines: str) -> None:
    pipeline = Pipeline.open(bundle, "onnxruntime", 1)
    infer = pipeline.engine.infer

    def slow(frames: int = 1) -> None:
        infer(frames)
        time.sleep(ENGINE_S)

    pipeline.engine.infer = slow  # type: ignore[method-assign]
    source = LiveSource("camera", Camera, LiveOptions())
    behind = Behind("lines", StallsOnce(JsonLinesSink(lines, "camera")), depth=4, waits=False)
    slow_once = StallsOnce(Outputs([behind]))
    # Made at once: what the measurement itself takes is no leak.
    most = round(seconds / ENGINE_S) + 1000
    ages_ms, took_ms = np.full((2, most), -1, np.float32)
    at_s, resident_kb = np.full((2, 10_000), -1, np.float32)
    seen = looks = 0
    start = time.monotonic()

    def note(scene: Scene) -> None:
        nonlocal seen, looks
        now_ns = time.monotonic_ns()
        ages_ms[seen] = (now_ns - scene.captured_ns) / 1e6
        took_ms[seen] = sum(scene.stages_ms.values())
        seen += 1
        now_s = now_ns / 1e9 - start
        if now_s >= looks * max(0.5, seconds / 8000):
            at_s[looks] = now_s
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident_kb[looks] = pages * _PAGE_KB
            looks += 1

    stream = Stream(source, [pipeline], [slow_once], on_scene=note)
    threading.Timer(seconds, stream.stop).start()
    report = stream.run()
    pipeline.close()
    print(
        json.dumps(
            {
                "ages_ms": ages_ms[:seen].tolist(),
                "took_ms": took_ms[:seen].tolist(),
                "at_s": at_s[:looks].tolist(),
                "resident_kb": resident_kb[:looks].tolist(),
                "dropped": report.dropped,
                "written": behind.written,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
