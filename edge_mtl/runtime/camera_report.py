"""What came of one of several cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_mtl.runtime.sources import Health
from edge_mtl.timing import LatencyReport, StageTimes


@dataclass(slots=True)
class Tally:
    """Scenes so far, their latencies, and how many came too late."""

    times: StageTimes = field(default_factory=StageTimes)
    frames: int = 0
    missed: int = 0

    def add(self, latencies_ms: Mapping[str, float], missed: bool) -> None:
        """Count a scene."""
        self.times.record(latencies_ms)
        self.frames += 1
        self.missed += missed

    def latency(self, elapsed_s: float) -> LatencyReport:
        """What was counted in so much time."""
        return LatencyReport(self.frames, elapsed_s, self.times.summary())


@dataclass(frozen=True, slots=True)
class CameraReport:
    """Of one camera, what `StreamReport` says of all.

    health: of its source, at the end.
    failure: why the source was lost for good; None where it was not.
    """

    latency: LatencyReport
    missed: int
    stale: int
    health: Health
    failure: str | None

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings."""
        return {
            **self.latency.to_json(),
            "dropped": self.health.dropped,
            "skipped": self.health.skipped,
            "reconnects": self.health.reconnects,
            "missed": self.missed,
            "stale": self.stale,
            "failure": self.failure,
        }
