from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edge_mtl.benchmark.machine_watch.processor_clock import ProcessorClock

CORES = range(os.cpu_count() or 1)


def set_cpufreq(write: Any, khz: int) -> None:
    for core in CORES:
        write(f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", khz)


def set_cpuinfo(write: Any, mhz: float) -> None:
    write("proc/cpuinfo", "\n".join(f"processor\t: {n}\ncpu MHz\t\t: {mhz}\n" for n in CORES))


@pytest.fixture
def clock(tmp_path: Path) -> Any:
    return lambda: ProcessorClock(tmp_path / "sys", tmp_path / "proc")


def test_cpufreq_tells_lowest_and_highest(write: Any, clock: Any) -> None:
    set_cpuinfo(write, 1.0)
    set_cpufreq(write, 1_500_000)
    watched = clock()
    watched.look()
    assert watched.range() == (1500, 1500)
    set_cpufreq(write, 729_600)
    watched.look()
    assert watched.range() == (729.6, 1500)


def test_cpuinfo_stands_in_where_it_moves(write: Any, clock: Any) -> None:
    set_cpuinfo(write, 2596.132)
    watched = clock()
    watched.look()
    watched.look()
    assert watched.range() is None  # as a virtual machine's
    set_cpuinfo(write, 3100.5)
    watched.look()
    assert watched.range() == (2596.132, 3100.5)


def test_a_machine_that_does_not_tell(write: Any, clock: Any) -> None:
    watched = clock()
    watched.look()
    assert watched.range() is None
    write("proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 62.50")  # an Arm board
    watched.look()
    assert watched.range() is None
