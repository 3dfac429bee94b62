from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_mtl.benchmark.machine_watch.thermometers import Thermometers


def zone(write: Any, number: int, kind: str, millidegrees: object) -> None:
    write(f"class/thermal/thermal_zone{number}/type", kind)
    write(f"class/thermal/thermal_zone{number}/temp", millidegrees)


def test_the_hottest_of_all_zones_and_looks_without_the_absurd(write: Any, tmp_path: Path) -> None:
    zone(write, 0, "soc-thermal", 45_000)
    zone(write, 1, "big-core", 61_500)
    zone(write, 2, "broken", -274_000)
    zone(write, 3, "none", 16_777_215)
    zone(write, 4, "off", "")
    heat = Thermometers(tmp_path)
    assert heat.hottest_c is None
    heat.look()
    assert heat.hottest_c == 61.5
    zone(write, 0, "soc-thermal", 70_000)
    heat.look()
    zone(write, 0, "soc-thermal", 40_000)
    heat.look()
    assert heat.hottest_c == 70


@pytest.mark.parametrize(
    ("kind", "chip", "expected"),
    [("iwlwifi_1", "k10temp", 55.0), ("tj-thermal", "k10temp", 90.0), ("acpitz", "nvme", 90.0)],
)
def test_the_processor_is_asked_where_it_tells(
    write: Any, tmp_path: Path, kind: str, chip: str, expected: float
) -> None:
    zone(write, 0, kind, 90_000)
    write("class/hwmon/hwmon0/name", chip)
    write("class/hwmon/hwmon0/temp1_input", 55_000)
    heat = Thermometers(tmp_path)
    heat.look()
    assert heat.hottest_c == expected


def test_a_machine_without_any(tmp_path: Path) -> None:
    heat = Thermometers(tmp_path)
    heat.look()
    assert heat.hottest_c is None
