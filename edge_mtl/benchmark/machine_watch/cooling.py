"""Parts of a board that the kernel slows down because they are hot."""

from __future__ import annotations

from pathlib import Path

from edge_mtl.benchmark.sensors import number, words

_SLOWS_DOWN = ("cpufreq-", "devfreq-", "thermal-cpufreq-", "thermal-devfreq-")


class Cooling:
    """The "cooling devices" of the kernel that cool by a lower clock: those that limit the clocks
    themselves, and the alerts of a Jetson (cpu-throttle-alert), whose firmware does it. Fans are
    none."""

    def __init__(self, sys: Path = Path("/sys")) -> None:
        folders = sorted((sys / "class/thermal").glob("cooling_device*"))
        kinds = ((words(folder / "type"), folder / "cur_state") for folder in folders)
        self._states = [
            (kind, state)
            for kind, state in kinds
            if kind.startswith(_SLOWS_DOWN) or kind.endswith("-throttle-alert")
        ]
        self._looks = 0
        self._active: dict[str, int] = {}

    def look(self) -> None:
        self._looks += 1
        for kind, file in self._states:
            if (number(file) or 0) > 0:
                self._active[kind] = self._active.get(kind, 0) + 1

    def told(self) -> list[str]:
        """Such as "thermal, cpu-throttle-alert: at 3 of 20 looks"."""
        return [
            f"thermal, {kind}: at {times} of {self._looks} looks"
            for kind, times in self._active.items()
        ]
