"""What the kernel counts when clocks are cut or cores are taken away."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from edge_mtl.benchmark.sensors import number, words


class Counter(NamedTuple):
    """cause: such as "thermal, cores". unit: of the count since the machine started, "times" or
    "s"."""

    cause: str
    unit: str


_OVER_CURRENT = {
    1: "voltage too low",
    2: "mean current too high",
    3: "momentary current too high",
}
"""Of a Jetson, whose firmware cuts its clocks then: NVIDIA's driver soctherm_oc."""


def throttle_counts(cores: Collection[int], root: Path = Path("/")) -> dict[Counter, float]:
    """All that this machine has, now. cores: those that this process may use."""
    return {
        **dict(_heat(cores, root / "sys/devices/system/cpu")),
        **dict(_over_current(root / "sys/class/hwmon")),
        **dict(_quota(root)),
    }


def told(before: dict[Counter, float], after: dict[Counter, float]) -> list[str]:
    """What was counted between, in words, such as "thermal, cores: 12 times"."""
    found = []
    for counter, count in after.items():
        more = count - before.get(counter, count)
        if more > 0:
            amount = f"{more:.0f} times" if counter.unit == "times" else f"for {more:.2f} s"
            found.append(f"{counter.cause}: {amount}")
    return found


def _heat(cores: Collection[int], cpu: Path) -> Iterator[tuple[Counter, float]]:
    """Of x86 processors, where the machine check driver counts."""
    folders = [cpu / f"cpu{core}" for core in sorted(cores)]
    counts = [number(folder / "thermal_throttle/core_throttle_count") for folder in folders]
    yield Counter("thermal, cores", "times"), sum(count or 0 for count in counts)
    for folder in folders:
        count = number(folder / "thermal_throttle/package_throttle_count")
        if count is not None:  # the same of every core of a package
            package = words(folder / "topology/physical_package_id")
            yield Counter(f"thermal, package {package}", "times"), count


def _over_current(hwmon: Path) -> Iterator[tuple[Counter, float]]:
    for chip in sorted(hwmon.glob("hwmon*")):
        if words(chip / "name") != "soctherm_oc":
            continue
        for event, cause in _OVER_CURRENT.items():
            count = number(chip / f"oc{event}_event_cnt")
            if count is not None and number(chip / f"oc{event}_throt_en") != 0:
                yield Counter(f"{cause} (OC{event})", "times"), count


def _quota(root: Path) -> Iterator[tuple[Counter, float]]:
    """The time for which the control group of a container, or one above it, had used up its share
    of the cores."""
    for top, group in _control_groups(root):
        lines = words(group / "cpu.stat").splitlines()
        facts = dict(line.split(" ", 1) for line in lines)
        name = str(group).removeprefix(str(top)) or "/"
        for key, unit_s in (("throttled_usec", 1e-6), ("throttled_time", 1e-9)):  # version 2, 1
            if key in facts:
                counter = Counter(f"CPU quota of the control group {name}", "s")
                yield counter, int(facts[key]) * unit_s


def _control_groups(root: Path) -> Iterator[tuple[Path, Path]]:
    """The group that rules this process's cores and those above it, of version 2 or 1, each behind
    the folder of all. In a container its path can be one of the host, of which nothing but the top
    is there."""
    for line in words(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        top = root / "sys/fs/cgroup"
        if "cpu" in controllers.split(","):
            top /= "cpu"
        elif controllers != "":
            continue
        group = top / path.lstrip("/")
        yield top, group
        yield from ((top, above) for above in group.parents if above.is_relative_to(top))
