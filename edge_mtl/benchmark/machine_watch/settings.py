"""How the machine is set up to run its clocks."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from edge_mtl.benchmark.sensors import number, words


def clock_settings(cores: Collection[int], sys: Path = Path("/sys")) -> list[str]:
    """Such as "cpufreq governor schedutil, 729 to 1728 MHz"; empty where nothing tells. cores:
    those that this process may use."""
    cpu = sys / "devices/system/cpu"
    governors = {_governor(cpu / f"cpu{core}/cpufreq"): None for core in sorted(cores)}
    return [*(each for each in governors if each), *_boost(cpu), *_power_mode()]


def _governor(cpufreq: Path) -> str:
    """With the clocks that it may choose from: on a board whose clocks were fixed
    (`jetson_clocks`) there is one."""
    name = words(cpufreq / "scaling_governor")
    low, high = number(cpufreq / "scaling_min_freq"), number(cpufreq / "scaling_max_freq")
    if not name or low is None or high is None:
        return ""
    span = f"{low / 1e3:.0f} to {high / 1e3:.0f} MHz" if low < high else f"{high / 1e3:.0f} MHz"
    return f"cpufreq governor {name}, {span}"


def _boost(cpu: Path) -> Iterator[str]:
    boost, no_turbo = number(cpu / "cpufreq/boost"), number(cpu / "intel_pstate/no_turbo")
    if boost is not None:
        yield f"boost {'on' if boost else 'off'}"
    elif no_turbo is not None:
        yield f"turbo {'off' if no_turbo else 'on'}"


def _power_mode() -> Iterator[str]:
    """Of a Jetson, which decides how many cores and which clocks there are."""
    command = shutil.which("nvpmodel")
    if command is None:
        return
    try:
        done = subprocess.run([command, "-q"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return
    mode = re.search(r"NV Power Mode: *(\S+)", done.stdout)
    if mode is not None:
        yield f"nvpmodel {mode[1]}"
