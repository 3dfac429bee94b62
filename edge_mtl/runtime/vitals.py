"""`Vitals`: how a running stream does, for whoever looks at it from outside."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Protocol

from edge_mtl.runtime.sources import Source
from edge_mtl.scene import Scene

BOUNDS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
"""Upper bounds of the buckets of a histogram; what is above is in one more."""

_PACE_WEIGHT = 0.1
_LEAST_PATIENCE_S = 2.0


class SinkState(Protocol):
    """What a sink says of itself: scenes written and dropped, and why it failed."""

    name: str
    written: int
    dropped: int
    failure: str | None


class Histogram:
    """How often a latency lay in each bucket of `BOUNDS_MS`, and the sum of all."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self.total_ms = 0.0

    def add(self, latency_ms: float) -> None:
        self.counts[bisect_left(BOUNDS_MS, latency_ms)] += 1
        self.total_ms += latency_ms


class Vitals:
    """Counts the scenes of one camera. Written by one thread, read by any.

    frames: scenes so far; degraded: those among them that a lighter network made.
    degradations: how often lighter networks took over; degrading: whether one made the last scene.
    stages: the latencies by stage, and "age": from the capture of a frame to its scene.
    age_ms: that of the newest scene; None before the first.
    frames_per_second: of late.
    sinks: the sinks of the stream, which count for themselves.
    """

    def __init__(self, source: Source, camera: str) -> None:
        self.source = source
        self.camera = camera
        self.frames = 0
        self.degraded = self.degradations = 0
        self.degrading = False
        self.stages: dict[str, Histogram] = {}
        self.age_ms: float | None = None
        self.sinks: Sequence[SinkState] = ()
        self._began_ns = time.monotonic_ns()
        self._last_ns: int | None = None
        self._pace_s = 0.0

    def record(self, scene: Scene) -> None:
        """Count a scene that has just been made."""
        now_ns = time.monotonic_ns()
        if self._last_ns is not None:
            step_s = (now_ns - self._last_ns) / 1e9
            weight = _PACE_WEIGHT if self.frames > 1 else 1.0
            self._pace_s += weight * (step_s - self._pace_s)
        for stage, latency_ms in scene.stages_ms.items():
            self._add(stage, latency_ms)
        if scene.captured_ns:
            self.age_ms = (now_ns - scene.captured_ns) / 1e6
            self._add("age", self.age_ms)
        self.frames += 1
        self.degraded += scene.degraded
        self.degradations += scene.degraded and not self.degrading
        self.degrading = scene.degraded
        self._last_ns = now_ns

    @property
    def frames_per_second(self) -> float:
        """0 where no two frames came yet."""
        return 1 / self._pace_s if self._pace_s else 0.0

    @property
    def silent_s(self) -> float:
        """Since the last scene, or the beginning."""
        since_ns = self._began_ns if self._last_ns is None else self._last_ns
        return (time.monotonic_ns() - since_ns) / 1e9

    @property
    def flowing(self) -> bool:
        """Whether scenes come: one came within the time of three frames, or 2 s."""
        patience_s = max(_LEAST_PATIENCE_S, 3 / self.source.frames_per_second)
        return self.frames > 0 and self.silent_s < patience_s

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {
            "camera": self.camera,
            "flowing": self.flowing,
            "frames": self.frames,
            "degraded": self.degraded,
            "degradations": self.degradations,
            "degrading": self.degrading,
            "fps": round(self.frames_per_second, 2),
            "age_ms": None if self.age_ms is None else round(self.age_ms, 1),
            "silent_s": round(self.silent_s, 2),
            "source": self.source.health.to_json(),
            "sinks": [
                {
                    "name": sink.name,
                    "written": sink.written,
                    "dropped": sink.dropped,
                    "failure": sink.failure,
                }
                for sink in self.sinks
            ],
        }

    def _add(self, stage: str, latency_ms: float) -> None:
        histogram = self.stages.get(stage)
        if histogram is None:
            # A new dictionary: somebody may be walking through the old one.
            histogram = Histogram()
            self.stages = {**self.stages, stage: histogram}
        histogram.add(latency_ms)
