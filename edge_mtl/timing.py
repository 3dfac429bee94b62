"""Latencies of the stages of a stream, and what to say about them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

KEPT_SAMPLES = 1 << 14
"""How many of the latest samples of a stage the percentiles are over: 9 minutes at 30 frames/s."""


def wall_clock_ns(monotonic_ns: int) -> int:
    """The time since 1970 at which `time.monotonic_ns` was `monotonic_ns`.

    As the wall clock says now: one that is set, as by NTP, moves all times.
    """
    return monotonic_ns + time.time_ns() - time.monotonic_ns()


def rfc_3339(since_1970_ns: int) -> str:
    """A time as in 2026-11-22T22:11:59.123456+00:00."""
    seconds, ns = divmod(since_1970_ns, 10**9)
    whole = datetime.fromtimestamp(seconds, timezone.utc)
    return whole.replace(microsecond=ns // 1000).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class StageSummary:
    """The latency of one stage in milliseconds.

    count, mean_ms and max_ms are over everything recorded, the percentiles over the latest
    `KEPT_SAMPLES`, interpolated linearly between ranks.
    """

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    max_ms: float


class StageTimes:
    """Records latencies by stage, in an eighth of a mebibyte a stage."""

    def __init__(self) -> None:
        self._stages: dict[str, _Samples] = {}

    def record(self, stages_ms: Mapping[str, float]) -> None:
        """Add the latencies of one frame, in milliseconds by the name of the stage."""
        for stage, latency_ms in stages_ms.items():
            samples = self._stages.get(stage)
            if samples is None:
                samples = self._stages[stage] = _Samples()
            samples.add(latency_ms)

    def summary(self) -> dict[str, StageSummary]:
        """Every stage that was recorded, in the order in which they first were."""
        return {stage: samples.summary() for stage, samples in self._stages.items()}


class _Samples:
    """The latest values, in an array that wraps around. It is written to at once: memory that grew
    for minutes would look like a leak."""

    def __init__(self) -> None:
        self._values = np.full(KEPT_SAMPLES, np.nan)
        self._count = 0
        self._total = 0.0
        self._max = float("-inf")

    def add(self, value: float) -> None:
        self._values[self._count % len(self._values)] = value
        self._count += 1
        self._total += value
        self._max = max(self._max, value)

    def summary(self) -> StageSummary:
        kept = self._values[: min(self._count, len(self._values))]
        p50, p90, p99 = np.percentile(kept, (50, 90, 99)).tolist()
        mean = self._total / self._count
        return StageSummary(self._count, p50, p90, p99, mean, self._max)


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """How fast a number of frames went through.

    elapsed_s: the wall time that they took together.
    stages: by name, see `StageSummary`.
    """

    frames: int
    elapsed_s: float
    stages: dict[str, StageSummary]

    @property
    def frames_per_second(self) -> float:
        """Frames over wall time; 0 where there were none."""
        return self.frames / self.elapsed_s if self.frames else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings, rounded to what a clock can tell."""
        return {
            "frames": self.frames,
            "elapsed_s": round(self.elapsed_s, 3),
            "fps": round(self.frames_per_second, 2),
            "stages": {
                name: {key: round(value, 4) for key, value in asdict(stage).items()}
                for name, stage in self.stages.items()
            },
        }

    def table(self) -> Table:
        """A table for the terminal: a row a stage, the frames a second below."""
        from rich.table import Table

        table = Table(
            caption=f"{self.frames} frames in {self.elapsed_s:.1f} s: "
            f"{self.frames_per_second:.1f} frames/s",
            caption_justify="left",
        )
        table.add_column("stage")
        for column in ("p50 ms", "p90 ms", "p99 ms", "mean ms", "max ms"):
            table.add_column(column, justify="right")
        for name, stage in self.stages.items():
            values = (stage.p50_ms, stage.p90_ms, stage.p99_ms, stage.mean_ms, stage.max_ms)
            table.add_row(name, *(f"{value:.2f}" for value in values))
        return table
