"""Who had the cores: this process, others, the hypervisor."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_LEAST_S = 0.5
"""The kernel counts in ticks of 10 ms: of a shorter span they tell no share."""


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Seconds until now. busy: of all processes and the kernel on the cores that this process may
    use. stolen: by the hypervisor, while these had something to do. ours: of this process, its
    children and theirs."""

    at: float
    busy: float
    stolen: float
    ours: float

    @classmethod
    def now(cls, cores: Collection[int], proc: Path = Path("/proc")) -> ProcessorTime | None:
        """None where /proc does not tell."""
        tick = 1 / os.sysconf("SC_CLK_TCK")
        busy = stolen = 0
        try:
            lines = (proc / "stat").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        names = {f"cpu{core}" for core in cores}
        for line in lines:
            name, *counts = line.split()
            if name in names:
                # proc(5); guests are in `user` and `nice` already
                user, nice, system, _, _, irq, softirq, steal = map(int, counts[:8])
                busy += user + nice + system + irq + softirq
                stolen += steal
        ours = _ticks_of_family(os.getpid(), proc)
        return cls(time.monotonic(), busy * tick, stolen * tick, ours * tick)


def shares(
    before: ProcessorTime | None, after: ProcessorTime | None, cores: int
) -> tuple[float | None, float | None]:
    """The share of the cores that the hypervisor and that other processes had; None where nobody
    can tell."""
    if before is None or after is None or after.at - before.at < _LEAST_S:
        return None, None
    if after.busy == before.busy:
        return None, None  # a sandbox that shows no times
    whole = cores * (after.at - before.at)
    stolen = after.stolen - before.stolen
    others = (after.busy - before.busy) - (after.ours - before.ours)
    return min(stolen / whole, 1.0), min(max(others / whole, 0.0), 1.0)


def _ticks_of_family(process: int, proc: Path) -> int:
    """Of a process and all that descend from it: those that ended are counted by their parents."""
    ticks: dict[int, int] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for file in proc.glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything.
            facts = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        number = int(file.parent.name)
        children[int(facts[1])].append(number)
        ticks[number] = sum(
            map(int, facts[11:15])
        )  # user and system; the same of its dead children
    family = [process]
    for member in family:
        family += children[member]
    return sum(ticks.get(member, 0) for member in family)
