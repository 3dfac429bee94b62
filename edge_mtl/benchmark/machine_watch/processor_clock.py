"""The clock of the core that computes."""

from __future__ import annotations

import ctypes
from pathlib import Path

from edge_mtl.benchmark.sensors import number


class ProcessorClock:
    """In MHz, of the core on which this thread runs: those of idle cores say nothing.

    Read from cpufreq, or where there is none from /proc/cpuinfo, which on most virtual machines
    shows one number for ever; that is not told.
    """

    def __init__(self, sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> None:
        self._cores = sys / "devices/system/cpu"
        self._cpuinfo = proc / "cpuinfo"
        self._libc = ctypes.CDLL(None)
        self._from_cpufreq = self._cpufreq() is not None
        self._seen: list[float] = []

    def look(self) -> None:
        mhz = self._cpufreq() if self._from_cpufreq else self._from_cpuinfo()
        if mhz is not None:
            self._seen.append(mhz)

    def range(self) -> tuple[float, float] | None:
        """The lowest and the highest that were seen; None where the machine does not tell."""
        if not self._seen:
            return None
        lowest, highest = min(self._seen), max(self._seen)
        return (lowest, highest) if self._from_cpufreq or lowest < highest else None

    def _cpufreq(self) -> float | None:
        khz = number(self._cores / f"cpu{self._libc.sched_getcpu()}/cpufreq/scaling_cur_freq")
        return None if khz is None else khz / 1e3

    def _from_cpuinfo(self) -> float | None:
        core = self._libc.sched_getcpu()
        try:
            with self._cpuinfo.open(encoding="utf-8") as lines:
                seen = -1
                for line in lines:
                    key, _, value = line.partition(":")
                    if key.rstrip() == "processor":
                        seen = int(value)
                    elif key.rstrip() == "cpu MHz" and seen == core:
                        return float(value)
        except (OSError, ValueError):
            pass
        return None
