"""The machines that networks are deployed on, by name: adding one is a row in `DEVICES`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_mtl.errors import unknown
from edge_mtl.export.batch import ONE_FRAME, Batch


@dataclass(frozen=True, slots=True)
class Device:
    """What an export needs to know about a machine.

    target: the row of `schemes.SCHEMES` that it runs.
    precision: what it is exported in unless something else is asked for.
    batch: how many frames it takes at once unless something else is asked for: one where latency
        counts, up to the cameras of a vehicle on a large board, more on a server.
    compute_capability: of its GPU; empty for a machine without one.
    tensorrt: the first and the last major.minor of TensorRT that its software comes with or takes;
        empty where none is used. Engines are of exactly one version.
    memory_gb: all memory of a board, which the network shares with everything else; that of the GPU
        elsewhere; None where it does not matter.
    dla_cores: of the deep-learning accelerator, which saves power, not time.
    """

    target: str
    precision: Literal["fp32", "int8"]
    batch: Batch = ONE_FRAME
    compute_capability: str = ""
    tensorrt: tuple[str, str] | tuple[()] = ()
    memory_gb: int | None = None
    dla_cores: int = 0

    @property
    def workspace_mb(self) -> int | None:
        """What an engine may use for scratch: an eighth of the memory; None for no limit."""
        return self.memory_gb * 1024 // 8 if self.memory_gb else None

    def takes_tensorrt(self, version: str) -> bool:
        """Whether an engine of this version of TensorRT can be for the device."""
        if not self.tensorrt:
            return True
        first, last = (_major_minor(each) for each in self.tensorrt)
        return first <= _major_minor(version) <= last


def _major_minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


# JetPack 6 comes with TensorRT 8.6 (6.0) and 10.3 (6.1), JetPack 7 with 10.13 (7.0, Thor) and
# later; 11 takes AGX Orin and Thor with JetPack 7.2. Orin is compute capability 8.7, Thor 11.0.
_JETPACK_6 = ("8.6", "10.3")
_JETPACK_6_AND_7 = ("8.6", "11.4")
_JETPACK_7 = ("10.13", "11.4")
_ANY = ("8.6", "11.4")

_CAMERAS = Batch(1, 1, 6)
_SMALL_SERVER, _SERVER = Batch(1, 4, 8), Batch(1, 8, 16)

DEVICES: dict[str, Device] = {
    "cpu": Device("cpu", "int8"),
    "cpu-openvino": Device("openvino", "int8"),
    "jetson-orin-nano": Device("tensorrt", "int8", ONE_FRAME, "8.7", _JETPACK_6, 8),
    "jetson-orin-nx": Device("tensorrt", "int8", ONE_FRAME, "8.7", _JETPACK_6, 16, dla_cores=2),
    "jetson-agx-orin": Device(
        "tensorrt", "int8", _CAMERAS, "8.7", _JETPACK_6_AND_7, 64, dla_cores=2
    ),
    "jetson-thor": Device("tensorrt", "int8", _CAMERAS, "11.0", _JETPACK_7, 128),
    "rtx-2080": Device("tensorrt-rtx", "int8", ONE_FRAME, "7.5", memory_gb=8),
    "rtx-3090": Device("tensorrt-rtx", "int8", ONE_FRAME, "8.6", memory_gb=24),
    "rtx-4090": Device("tensorrt-rtx", "int8", ONE_FRAME, "8.9", memory_gb=24),
    "rtx-5090": Device("tensorrt-rtx", "int8", ONE_FRAME, "12.0", memory_gb=32),
    "dgx-spark": Device("tensorrt-rtx", "int8", ONE_FRAME, "12.1", memory_gb=128),
    "t4": Device("tensorrt", "int8", _SMALL_SERVER, "7.5", _ANY, 16),
    "a10": Device("tensorrt", "int8", _SMALL_SERVER, "8.6", _ANY, 24),
    "l4": Device("tensorrt", "int8", _SMALL_SERVER, "8.9", _ANY, 24),
    "a100": Device("tensorrt", "int8", _SERVER, "8.0", _ANY, 80),
    "h100": Device("tensorrt", "int8", _SERVER, "9.0", _ANY, 80),
    "h200": Device("tensorrt", "int8", _SERVER, "9.0", _ANY, 141),
}
"""By the name that `edge-mtl export --device` takes."""


def find_device(name: str) -> Device:
    """The device of a name.

    Raises:
        UsageError: there is no such device; the nearest ones are named.
    """
    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    return DEVICES[name]
