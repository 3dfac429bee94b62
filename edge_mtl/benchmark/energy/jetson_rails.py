"""Which power rails of a Jetson make up the whole.

From NVIDIA's "Platform Power and Performance" (Jetson Linux Developer Guide) and the device trees
of the boards. Other rails that the sensors show lie behind these and would be counted twice, such
as VDDQ_VDD2_1V8AO, which VIN_SYS_5V0 feeds.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from edge_mtl.benchmark.sensors import SensorError


class Total(NamedTuple):
    """known_by: a rail that only these boards have. rails: those whose powers add up to the whole.
    covers: what the whole is."""

    known_by: str
    rails: tuple[str, ...]
    covers: str


_AGX_ORIN = ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0")
_THOR = ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0")
_TOTALS = (
    Total("VDD_IN", ("VDD_IN",), "the module's input (VDD_IN)"),  # Orin NX and Nano, Xavier NX
    Total("VDD_GPU_SOC", _AGX_ORIN, f"the module ({' + '.join(_AGX_ORIN)})"),
    Total("VDD_CPU_SOC_MSS", ("VIN",), "the board's input (VIN), module and carrier board"),
    Total("VDD_CPU_SOC_MSS", _THOR, f"the module ({' + '.join(_THOR)})"),
)
"""In order of preference."""


def total_of(rails: Collection[str], sensor: str) -> Total:
    """What to add up of the rails that a sensor shows.

    Raises:
        SensorError: they make up no whole that is known.
    """
    for total in _TOTALS:
        if {total.known_by, *total.rails} <= set(rails):
            return total
    raise SensorError(
        f"{sensor}: expected rails of a Jetson Orin or Thor, such as VDD_IN, found: "
        f"{', '.join(sorted(rails)) or 'none'}"
    )
