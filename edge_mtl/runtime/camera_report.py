"""What came of one of several cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_mtl.runtime.sources import Health
from edge_mtl.timing import LatencyReport, StageTimes


@dataclass(frozen=True, slots=True)
class CameraReport:
    """Of one camera, what `StreamReport` says of all.

    degraded: scenes that a lighter network made.
    faulty: frames of which the network made no numbers.
    health: of its source, at the end.
    failure: why the source was lost for good; None where it was not.
    """

    latency: LatencyReport
    missed: int
    stale: int
    degraded: int
    faulty: int
    health: Health
    failure: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {
            **self.latency.to_json(),
            "dropped": self.health.dropped,
            "skipped": self.health.skipped,
            "reconnects": self.health.reconnects,
            "resolution_changes": self.health.resolution_changes,
            "missed": self.missed,
            "stale": self.stale,
            "degraded": self.degraded,
            "faulty": self.faulty,
            "failure": self.failure,
        }


@dataclass(slots=True)
class Tally:
    """Scenes so far, their latencies, how many came too late, how many a lighter network made, and
    how often one took over."""

    times: StageTimes = field(default_factory=StageTimes)
    frames: int = 0
    missed: int = 0
    degraded: int = 0
    degradations: int = 0
    _degrading: bool = False

    def add(self, latencies_ms: Mapping[str, float], missed: bool, degraded: bool) -> None:
        """Count a scene."""
        self.times.record(latencies_ms)
        self.frames += 1
        self.missed += missed
        self.degraded += degraded
        self.degradations += degraded and not self._degrading
        self._degrading = degraded

    def latency(self, elapsed_s: float) -> LatencyReport:
        """What was counted in so much time."""
        return LatencyReport(self.frames, elapsed_s, self.times.summary())

    def report(
        self, elapsed_s: float, stale: int, faulty: int, health: Health, failure: str | None
    ) -> CameraReport:
        """That of a camera, of which this is; see there."""
        latency = self.latency(elapsed_s)
        return CameraReport(latency, self.missed, stale, self.degraded, faulty, health, failure)
