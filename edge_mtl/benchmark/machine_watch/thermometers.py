"""How hot the machine is."""

from __future__ import annotations

from pathlib import Path

from edge_mtl.benchmark.sensors import number, words

_PROCESSORS = ("coretemp", "k10temp", "zenpower")
_ABSURD = 150_000  # thousandths of a degree; zones without a sensor show such, or 0 and less


class Thermometers:
    """Those of the processor where they are known, or else every thermal zone of the kernel: asking
    a network card or a battery takes longer than the rest of a look.

    hottest_c: of all looks, in degrees Celsius; None where nothing tells.
    """

    def __init__(self, sys: Path = Path("/sys")) -> None:
        zones = sorted((sys / "class/thermal").glob("thermal_zone*"))
        junction = [zone / "temp" for zone in zones if words(zone / "type").startswith("tj-")]
        chips = sorted((sys / "class/hwmon").glob("hwmon*"))
        processors = [chip / "temp1_input" for chip in chips if words(chip / "name") in _PROCESSORS]
        # A Jetson's tj zone is the hottest of its others.
        self._files = junction or processors or [zone / "temp" for zone in zones]
        self.hottest_c: float | None = None

    def look(self) -> None:
        for file in self._files:
            millidegrees = number(file)  # None of a part that is switched off
            if millidegrees is not None and 0 < millidegrees < _ABSURD:
                self.hottest_c = max(millidegrees / 1e3, self.hottest_c or 0.0)
