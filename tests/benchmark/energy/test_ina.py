from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_mtl.benchmark.energy.ina import _open
from edge_mtl.benchmark.sensors import SensorError


def chip(write: Any, folder: str, rails: dict[str, tuple[int, int]]) -> None:
    """An INA3221. rails: by label, mV and mA."""
    write(f"{folder}/name", "ina3221")
    for channel, (label, (millivolts, milliamperes)) in enumerate(rails.items(), start=1):
        write(f"{folder}/in{channel}_label", label)
        write(f"{folder}/in{channel}_input", millivolts)
        write(f"{folder}/curr{channel}_input", milliamperes)
    write(f"{folder}/in4_input", 40)
    write(f"{folder}/in7_label", "sum of shunt voltages")
    write(f"{folder}/in7_input", 120)
    write(f"{folder}/curr4_input", 9999)


def test_the_input_of_an_orin_nano_is_integrated(
    write: Any, tmp_path: Path, clock: SimpleNamespace
) -> None:
    write("hwmon0/name", "pwmfan")
    chip(
        write, "hwmon1", {"VDD_IN": (5000, 1000), "VDD_CPU_GPU_CV": (5000, 400), "VDD_SOC": (5, 5)}
    )
    meter = _open(tmp_path)
    assert meter.covers == "the module's input (VDD_IN)"
    assert meter.joules() == 0
    clock.s = 2.0
    assert meter.joules() == pytest.approx(10)
    write("hwmon1/curr1_input", 3000)  # from 5 to 15 W in a second: 10 on the way
    clock.s = 3.0
    assert meter.joules() == pytest.approx(20)
    meter.close()
    assert "energy meter" not in {thread.name for thread in threading.enumerate()}


def test_the_rails_of_an_agx_orin_are_added_up_and_none_twice(
    write: Any, tmp_path: Path, clock: SimpleNamespace
) -> None:
    chip(
        write,
        "hwmon3",
        {"VDD_GPU_SOC": (20_000, 500), "VDD_CPU_CV": (20_000, 250), "VIN_SYS_5V0": (5000, 1000)},
    )
    chip(write, "hwmon4", {"NC": (0, 0), "VDDQ_VDD2_1V8AO": (5000, 300)})
    meter = _open(tmp_path)
    clock.s = 1.0
    assert meter.joules() == pytest.approx(10 + 5 + 5)
    assert meter.covers == "the module (VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0)"
    meter.close()


THOR = {"VDD_GPU": (12_000, -30), "VDD_CPU_SOC_MSS": (12_000, 500), "VIN_SYS_5V0": (5000, 1000)}


@pytest.mark.parametrize("ina238", [False, True])
def test_a_thor_has_an_ina238_for_all_or_rails(
    write: Any, tmp_path: Path, clock: SimpleNamespace, ina238: bool
) -> None:
    """A GPU that is switched off reads a little less than nothing, which takes nothing away."""
    chip(write, "hwmon2", THOR)
    if ina238:
        write("hwmon3/name", "ina238")
        write("hwmon3/power1_input", 23_000_000)
    meter = _open(tmp_path)
    clock.s = 1.0
    assert meter.joules() == pytest.approx(23 if ina238 else 6 + 5)
    assert ("VIN)" in meter.covers) == ina238
    meter.close()


def test_an_ina238_on_another_board_is_not_taken_for_its_input(write: Any, tmp_path: Path) -> None:
    write("hwmon0/name", "ina238")
    write("hwmon0/power1_input", 23_000_000)
    with pytest.raises(SensorError, match="expected rails of a Jetson"):
        _open(tmp_path)


def test_a_machine_without_a_sensor_says_so(write: Any, tmp_path: Path) -> None:
    with pytest.raises(SensorError, match=r"^no INA3221"):
        _open(tmp_path / "nothing")
    write("hwmon0/name", "coretemp")
    with pytest.raises(SensorError, match=r"^no INA3221"):
        _open(tmp_path)


def test_rails_that_nobody_knows_are_named(write: Any, tmp_path: Path) -> None:
    chip(write, "hwmon0", {"POM_5V_IN": (5000, 100), "": (0, 0)})
    with pytest.raises(SensorError, match=r"found: POM_5V_IN$"):
        _open(tmp_path)


@pytest.mark.usefixtures("clock")
def test_a_sensor_that_goes_away_is_the_reason_from_then_on(write: Any, tmp_path: Path) -> None:
    chip(write, "hwmon1", {"VDD_IN": (5000, 1000)})
    meter = _open(tmp_path)
    current = tmp_path / "hwmon1/curr1_input"
    current.unlink()
    with pytest.raises(SensorError, match=r"curr1_input: No such file") as first:
        meter.joules()
    write("hwmon1/curr1_input", 1000)  # it lacks what was used meanwhile
    with pytest.raises(SensorError) as second:
        meter.joules()
    assert str(first.value) == str(second.value)
    meter.close()
    meter.close()
