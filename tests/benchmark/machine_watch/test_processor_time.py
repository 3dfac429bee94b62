from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from edge_mtl.benchmark.machine_watch.processor_time import ProcessorTime, shares

HERTZ = os.sysconf("SC_CLK_TCK")
OURS = os.getpid()


def process(write: Any, number: int, parent: int, ticks: str, name: str = "python") -> None:
    """ticks: user, system, and those of the children that it waited for."""
    before = f"{number} ({name}) S {parent} 1 1 0 -1 4194304 100 0 0 0"
    write(f"{number}/stat", f"{before} {ticks} 20 0 1 0 100 0 0")


def test_the_cores_that_we_may_use_and_our_family(write: Any, tmp_path: Path) -> None:
    write(
        "stat",
        "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 10 30 1000 7 1 2 50 40 0\n"
        "cpu1 200 0 0 1000 0 0 0 5 0 0\ncpu2 9999 0 0 0 0 0 0 9999 0 0\nintr 12345",
    )
    process(write, OURS, 1, "50 5 20 2")
    process(write, OURS + 1, OURS, "10 0 3 0", name="a (strange) name")
    process(write, OURS + 2, OURS + 1, "4 0 0 0")
    process(write, OURS + 3, 1, "999 0 0 0")
    now = ProcessorTime.now({0, 1}, tmp_path)
    assert now is not None
    assert now.busy == pytest.approx(343 / HERTZ)
    assert now.stolen == pytest.approx(55 / HERTZ)
    assert now.ours == pytest.approx((77 + 13 + 4) / HERTZ)


def test_what_is_neither_ours_nor_idle_is_others() -> None:
    before = ProcessorTime(at=10.0, busy=100.0, stolen=1.0, ours=40.0)
    after = ProcessorTime(at=20.0, busy=115.0, stolen=2.0, ours=49.0)
    assert shares(before, after, cores=2) == pytest.approx((1 / 20, 6 / 20))


def test_our_ticks_can_be_ahead_of_the_kernels() -> None:
    before = ProcessorTime(at=10.0, busy=100.0, stolen=0.0, ours=40.0)
    after = ProcessorTime(at=11.0, busy=100.99, stolen=0.0, ours=41.0)
    assert shares(before, after, cores=1) == (0.0, 0.0)


def test_no_share_is_told_of_a_moment_or_where_nothing_counts(tmp_path: Path) -> None:
    before = ProcessorTime(at=10.0, busy=100.0, stolen=0.0, ours=40.0)
    assert shares(before, ProcessorTime(10.1, 100.1, 0.0, 40.1), cores=1) == (None, None)
    assert shares(before, ProcessorTime(20.0, 100.0, 0.0, 50.0), cores=1) == (None, None)
    assert shares(before, None, cores=1) == (None, None)
    assert ProcessorTime.now({0}, tmp_path) is None


def test_this_process_is_ours() -> None:
    before = ProcessorTime.now(os.sched_getaffinity(0))
    if before is None:
        pytest.skip("no /proc/stat")
    started = time.process_time()
    while time.process_time() < started + 0.1:
        pass
    after = ProcessorTime.now(os.sched_getaffinity(0))
    assert after is not None
    assert after.ours - before.ours > 0.05
