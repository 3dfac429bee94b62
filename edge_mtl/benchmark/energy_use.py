"""`EnergyUse`: what a contender used in its turns."""

from __future__ import annotations

import time

from edge_mtl.benchmark.energy import EnergyMeter, SensorError
from edge_mtl.benchmark.result import Energy

_IDLE_S = 1.0


class EnergyUse:
    """Sums what `meter` counts between every `begin` and `end`.

    meter: or why there is none; stays open. A sensor that fails in mid-run gives its reason in the
        place of a figure.
    """

    def __init__(self, meter: EnergyMeter | str) -> None:
        self._meter = meter
        self._before_j = self._used_j = self._idle_w = 0.0

    def rest(self) -> None:
        """Measure for a second what is used while nothing of ours runs."""
        if isinstance(self._meter, str):
            return
        start, before_j = time.perf_counter(), self._read()
        time.sleep(_IDLE_S)
        self._idle_w = (self._read() - before_j) / (time.perf_counter() - start)

    def begin(self) -> None:
        """A turn starts."""
        self._before_j = self._read()

    def end(self) -> None:
        """It is over."""
        self._used_j += self._read() - self._before_j

    def told(self, seconds: float, frames: int) -> Energy | str:
        """For as many seconds and frames as the turns had; or why it cannot be told."""
        if isinstance(self._meter, str):
            return self._meter
        return Energy(
            meter=self._meter.name,
            covers=self._meter.covers,
            watts=self._used_j / seconds,
            idle_watts=self._idle_w,
            joules_per_frame=self._used_j / frames,
        )

    def _read(self) -> float:
        if isinstance(self._meter, str):
            return 0.0
        try:
            return self._meter.joules()
        except SensorError as error:
            self._meter = str(error)
            return 0.0
