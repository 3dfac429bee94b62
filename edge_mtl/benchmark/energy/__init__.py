"""Energy meters behind one protocol; adding one is a file here and a row in `METERS`.

A meter counts joules from its opening on. The energy of a span is the difference of two readings,
its mean power that difference over the seconds between them. Everything that the covered part does
is in it, idle power and others' work too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from edge_mtl.benchmark.energy.ina import open_ina
from edge_mtl.benchmark.energy.meter import EnergyMeter
from edge_mtl.benchmark.energy.nvml import open_nvml
from edge_mtl.benchmark.energy.rapl import open_rapl
from edge_mtl.benchmark.energy.tegrastats import open_tegrastats
from edge_mtl.benchmark.sensors import SensorError

__all__ = ["METERS", "EnergyMeter", "Row", "SensorError", "open_meter"]


class Row(NamedTuple):
    """of: what the meter covers. open: raises `SensorError` with the reason where it cannot."""

    of: Literal["board", "gpu", "processor"]
    open: Callable[[], EnergyMeter]


METERS = (
    Row("board", open_ina),
    Row("board", open_tegrastats),
    Row("gpu", open_nvml),
    Row("processor", open_rapl),
)
"""In order of preference."""


def open_meter(*, on_gpu: bool) -> EnergyMeter | str:
    """The best meter of this machine that covers what computes: the whole board, or else the GPU
    for a network `on_gpu` and the processor for one that is not. Or, in a sentence, every reason
    why there is none."""
    reasons = []
    for row in METERS:
        if row.of == ("processor" if on_gpu else "gpu"):
            continue
        try:
            return row.open()
        except SensorError as error:
            reasons.append(str(error))
    return f"no energy meter: {'; '.join(reasons)}"
