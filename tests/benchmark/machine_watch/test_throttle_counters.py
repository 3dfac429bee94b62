from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_mtl.benchmark.machine_watch.throttle_counters import throttle_counts, told


def test_heat_of_an_x86_processor(write: Any, tmp_path: Path) -> None:
    def count(core: int, of_core: int, of_package: int) -> None:
        cpu = f"sys/devices/system/cpu/cpu{core}"
        write(f"{cpu}/thermal_throttle/core_throttle_count", of_core)
        write(f"{cpu}/thermal_throttle/package_throttle_count", of_package)
        write(f"{cpu}/topology/physical_package_id", core // 2)

    for core in range(4):
        count(core, 100, 500)
    before = throttle_counts({0, 1, 2}, tmp_path)
    for core in range(4):
        count(core, 112 if core in (1, 3) else 100, 503 if core < 2 else 500)
    after = throttle_counts({0, 1, 2}, tmp_path)
    assert told(before, after) == ["thermal, cores: 12 times", "thermal, package 0: 3 times"]
    assert told(after, after) == []


def test_the_currents_of_a_jetson(write: Any, tmp_path: Path) -> None:
    chip = "sys/class/hwmon/hwmon3"
    write("sys/class/hwmon/hwmon0/name", "ina3221")
    write(f"{chip}/name", "soctherm_oc")
    for event in (1, 2, 3):
        write(f"{chip}/oc{event}_event_cnt", 40)
        write(f"{chip}/oc{event}_throt_en", int(event != 1))
    before = throttle_counts({0}, tmp_path)
    for event in (1, 2, 3):
        write(f"{chip}/oc{event}_event_cnt", 40 + 9 * (event - 2) ** 2)
    assert told(before, throttle_counts({0}, tmp_path)) == [
        "momentary current too high (OC3): 9 times"
    ]


def test_the_quota_of_a_container_and_of_what_holds_it(write: Any, tmp_path: Path) -> None:
    write("proc/self/cgroup", "0::/kube/pod")
    for group, throttled in (("", None), ("kube/", 5_000_000), ("kube/pod/", 0)):
        stat = "usage_usec 12345"
        if throttled is not None:
            stat += f"\nnr_periods 10\nnr_throttled 3\nthrottled_usec {throttled}"
        write(f"sys/fs/cgroup/{group}cpu.stat", stat)
    before = throttle_counts({0}, tmp_path)
    write("sys/fs/cgroup/kube/cpu.stat", "usage_usec 99999\nthrottled_usec 5310000")
    assert told(before, throttle_counts({0}, tmp_path)) == [
        "CPU quota of the control group /kube: for 0.31 s"
    ]


def test_the_quota_of_version_1_where_only_the_top_is_shown(write: Any, tmp_path: Path) -> None:
    write("proc/self/cgroup", "4:memory:/docker/1a\n2:cpu,cpuacct:/docker/1a\n0::/")
    write("sys/fs/cgroup/cpu/cpu.stat", "nr_periods 1\nnr_throttled 0\nthrottled_time 0")
    before = throttle_counts({0}, tmp_path)
    write("sys/fs/cgroup/cpu/cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 250000000")
    assert told(before, throttle_counts({0}, tmp_path)) == [
        "CPU quota of the control group /: for 0.25 s"
    ]


def test_a_machine_that_counts_nothing(tmp_path: Path) -> None:
    counts = throttle_counts({0, 1}, tmp_path)
    assert told(counts, counts) == []


def test_this_machine() -> None:
    counts = throttle_counts({0})
    assert all(count >= 0 for count in counts.values())
    assert told(counts, counts) == []
