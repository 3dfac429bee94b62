from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_mtl.benchmark.machine_watch.cooling import Cooling


def test_what_slows_down_is_told_and_fans_are_not(write: Any, tmp_path: Path) -> None:
    """As on a Thor; the "Processor" of ACPI has as many as there are cores."""
    for number, (kind, state) in enumerate(
        [
            ("cpufreq-cpu0", 0),
            ("devfreq-gpu-gpc-0", 18),
            ("pwm-fan", 3),
            ("cpu-throttle-alert", 1),
            ("hot-surface-alert", 1),
            ("Processor", 1),
        ]
    ):
        write(f"class/thermal/cooling_device{number}/type", kind)
        write(f"class/thermal/cooling_device{number}/cur_state", state)
    cooling = Cooling(tmp_path)
    cooling.look()
    write("class/thermal/cooling_device3/cur_state", 0)
    cooling.look()
    assert cooling.told() == [
        "thermal, devfreq-gpu-gpc-0: at 2 of 2 looks",
        "thermal, cpu-throttle-alert: at 1 of 2 looks",
    ]


def test_a_machine_without_any(tmp_path: Path) -> None:
    cooling = Cooling(tmp_path)
    cooling.look()
    assert cooling.told() == []
