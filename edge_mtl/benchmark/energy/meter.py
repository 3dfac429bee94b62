"""The one interface of every energy meter."""

from __future__ import annotations

from typing import Protocol


class EnergyMeter(Protocol):
    """Counts the energy that a part of the machine uses, whoever makes it do so.

    name: what is read, such as "NVML, NVIDIA H200".
    covers: what draws this power, such as "the module's input (VDD_IN)".
    """

    name: str
    covers: str

    def joules(self) -> float:
        """Used since the meter was opened, until now; never less than before.

        Raises:
            SensorError: the sensor is gone, now and at every later call. The message is the reason.
        """

    def close(self) -> None:
        """End its thread and release the sensor. Twice does no harm."""
