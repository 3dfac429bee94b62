"""How fast some work could be done at most on this machine: the bytes moved, the operations.

Bytes: over the bandwidth of a copy of as many bytes with as many threads, measured in the same run.
What fits into a cache is copied from there: in a benchmark's loop a frame and its outputs stay in
it, as what an engine has just written does.

Operations: one full vector a cycle on every thread, at the highest clock that the system states. A
loop that starts two a cycle may be faster than that; one that also loads, stores and converts is
slower.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from edge_mtl import ops

_VECTOR_BYTES = {"x86-64-v4": 64, "x86-64-v3": 32}  # else the 16 of SSE2 and NEON
_LEAST_COPY = 1 << 18  # bytes read by a thread at a time: of a shorter copy the call takes most
_LARGE_COPY = 1 << 27
_TRIAL_S = 0.04
_TRIALS = 7


@dataclass(frozen=True)
class Work:
    """moved: bytes read and written. computed: the bytes of the elements of all operations."""

    moved: int
    computed: int

    def __add__(self, other: Work) -> Work:
        return Work(self.moved + other.moved, self.computed + other.computed)


@dataclass(frozen=True)
class Floor:
    """The times that some work takes at least; that of the operations is 0 where no clock is
    known."""

    work: Work
    bytes_ms: float
    operations_ms: float

    @classmethod
    def of(cls, work: Work, threads: int) -> Floor:
        rate = threads * vector_bytes() * clock_hz()
        return cls(
            work,
            1e3 * work.moved / copy_bandwidth(work.moved // 2, threads),
            1e3 * work.computed / rate if rate else 0.0,
        )

    @property
    def ms(self) -> float:
        return max(self.bytes_ms, self.operations_ms)

    def to_json(self) -> dict[str, float]:
        return {
            "moved_bytes": self.work.moved,
            "bytes_ms": self.bytes_ms,
            "computed_bytes": self.work.computed,
            "operations_ms": self.operations_ms,
            "floor_ms": self.ms,
        }


def machine_speed(threads: int) -> str:
    """What the floors are made of, in words."""
    memory, cached = (
        copy_bandwidth(size, threads) / 1e9 for size in (_LARGE_COPY, threads * _LEAST_COPY)
    )
    return (
        f"{threads} threads copy {memory:.1f} GB/s in memory ({_LARGE_COPY >> 20} MB), "
        f"{cached:.1f} GB/s in the cache ({threads * _LEAST_COPY >> 10} kB), read and written; "
        f"{8 * vector_bytes()} bits a vector, {clock_hz() / 1e9:.2f} GHz"
    )


def vector_bytes() -> int:
    """Of the kernels' instruction set."""
    return _VECTOR_BYTES.get(ops.compiled() or "", 16)


@cache
def clock_hz() -> float:
    """The highest that the system states of the first core; 0 where it states none."""
    limit = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    if limit.exists():
        return 1e3 * int(limit.read_text())
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    stated = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return 1e6 * max(stated, default=0.0)


@cache
def copy_bandwidth(size: int, threads: int) -> float:
    """Bytes read and written a second where `threads` threads copy `size` bytes over and over, each
    its part and 256 kB at least. The best of some trials."""
    part = max(_LEAST_COPY, size // threads)
    copiers = [_Copier(part) for _ in range(threads)]
    return max(_trial(copiers) for _ in range(_TRIALS))


class _Copier:
    """Copies until it is told to stop."""

    def __init__(self, size: int) -> None:
        self._source, self._target = np.ones(size, np.uint8), np.ones(size, np.uint8)
        self.copies = 0

    def run(self, until: float) -> None:
        self.copies = 0
        while time.perf_counter() < until:
            np.copyto(self._target, self._source)  # without the interpreter's lock
            self.copies += 1

    @property
    def moved(self) -> int:
        return 2 * self._source.size * self.copies


def _trial(copiers: list[_Copier]) -> float:
    start = time.perf_counter()
    helpers = [
        threading.Thread(target=copier.run, args=(start + _TRIAL_S,)) for copier in copiers[1:]
    ]
    for helper in helpers:
        helper.start()
    copiers[0].run(start + _TRIAL_S)
    for helper in helpers:
        helper.join()
    return sum(copier.moved for copier in copiers) / (time.perf_counter() - start)
