"""The power of a Jetson by the sensors on its board: INA3221, and INA238 on a Thor.

JetPack 5 and later show them in /sys/class/hwmon, where everybody may read them: a rail has the
files inN_label, inN_input (mV) and currN_input (mA); an INA238 has power1_input (uW).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edge_mtl.benchmark.energy.jetson_rails import total_of
from edge_mtl.benchmark.energy.meter import EnergyMeter
from edge_mtl.benchmark.energy.power_integral import READ_EVERY_S, PowerIntegral
from edge_mtl.benchmark.energy.sensor_meter import SensorMeter
from edge_mtl.benchmark.sensors import SensorError, reading, words

_WattsOf = Callable[[], float]


def open_ina() -> EnergyMeter:
    """The integral of the board's whole power, which is read every 0.25 s.

    Raises:
        SensorError: no such sensor, no rails that make up the whole, or not for this user.
    """
    return _open(Path("/sys/class/hwmon"))


def _open(hwmon: Path) -> EnergyMeter:
    rails: dict[str, _WattsOf] = {}
    for folder in sorted(hwmon.glob("hwmon*")):
        chip = words(folder / "name")
        if chip == "ina3221":
            rails |= _ina3221(folder)
        elif chip == "ina238":
            rails["VIN"] = _ina238(folder)
    if not rails:
        raise SensorError("no INA3221, the power sensor of a Jetson")
    total = total_of(rails, "INA3221")
    integral = PowerIntegral()

    def joules() -> float:
        watts = sum(rails[name]() for name in total.rails)
        return integral.add(watts, time.monotonic())

    every = f"every {READ_EVERY_S * 1e3:.0f} ms"
    return SensorMeter(f"the board's INA sensors, {every}", total.covers, joules, READ_EVERY_S)


def _ina3221(folder: Path) -> dict[str, _WattsOf]:
    """The rails of one chip. What it shows beyond its three channels are shunt voltages and their
    sum; a channel that is not connected has no label, or NC."""

    def rail(channel: int) -> _WattsOf:
        millivolts, milliamperes = folder / f"in{channel}_input", folder / f"curr{channel}_input"
        # A rail that is switched off can read a little less than nothing.
        return lambda: max(reading(millivolts) * reading(milliamperes) / 1e6, 0.0)

    labels = {channel: words(folder / f"in{channel}_label") for channel in (1, 2, 3)}
    return {label: rail(channel) for channel, label in labels.items() if label not in ("", "NC")}


def _ina238(folder: Path) -> _WattsOf:
    microwatts = folder / "power1_input"
    return lambda: max(reading(microwatts) / 1e6, 0.0)
