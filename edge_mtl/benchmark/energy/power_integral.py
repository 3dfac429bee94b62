"""Energy from readings of power."""

from __future__ import annotations

READ_EVERY_S = 0.25
"""How often a power is read: seldom enough to disturb few frames. What is shorter is told only as
far as the sensor takes a mean itself, as an INA3221 does over its `samples`."""


class PowerIntegral:
    """The area below straight lines between the readings of a power."""

    def __init__(self) -> None:
        self._joules = 0.0
        self._last: tuple[float, float] | None = None

    def add(self, watts: float, at_s: float) -> float:
        """A reading, not below 0, and its time; returns the joules since the first."""
        if self._last is not None:
            last_watts, last_s = self._last
            self._joules += (watts + last_watts) / 2 * (at_s - last_s)
        self._last = watts, at_s
        return self._joules
