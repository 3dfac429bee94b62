"""The energy of x86 processors, of Intel and of AMD, by their own counters (RAPL)."""

from __future__ import annotations

from pathlib import Path

from edge_mtl.benchmark.energy.meter import EnergyMeter
from edge_mtl.benchmark.energy.sensor_meter import SensorMeter
from edge_mtl.benchmark.sensors import SensorError, reading, words

_EVERY_S = 20.0  # a counter starts again after 65 kJ or more, which is minutes at 300 W
_REMEDY = ": sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj, until the next start"


def open_rapl() -> EnergyMeter:
    """The packages of the machine together: cores, caches and what else is on the chip, without
    memory. The kernel lets root alone read them, because they tell others' secrets too
    (CVE-2020-8694).

    Raises:
        SensorError: not an x86 machine, a virtual one, or not for this user.
    """
    return _open(Path("/sys/class/powercap"))


def _open(powercap: Path) -> EnergyMeter:
    zones = [
        zone
        for zone in sorted(powercap.glob("intel-rapl:*"))
        if words(zone / "name").startswith("package")  # the others are parts of these, or the board
    ]
    if not zones:
        raise SensorError(f"RAPL: no processor in {powercap}, as on virtual machines")
    packages = [_Package(zone) for zone in zones]
    numbers = [package.number for package in packages]
    covers = f"processor package{'s' if len(numbers) > 1 else ''} {' and '.join(numbers)}"

    def joules() -> float:
        return sum(package.joules() for package in packages)

    return SensorMeter("RAPL", f"{covers}, without DRAM", joules, _EVERY_S)


class _Package:
    """One processor's counter, which starts again at 0 after `max_energy_range_uj`."""

    def __init__(self, zone: Path) -> None:
        self.number = words(zone / "name").removeprefix("package-")
        self._counter = zone / "energy_uj"
        self._range = reading(zone / "max_energy_range_uj")
        self._microjoules = 0
        self._last = self._read()

    def joules(self) -> float:
        now = self._read()
        self._microjoules += now - self._last + (self._range if now < self._last else 0)
        self._last = now
        return self._microjoules / 1e6

    def _read(self) -> int:
        return reading(self._counter, if_denied=_REMEDY)
