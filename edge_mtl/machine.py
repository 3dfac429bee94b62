"""Facts about this machine, to stand beside every measurement and in `edge-mtl doctor`."""

from __future__ import annotations

import ctypes
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Those that the kernels or the engines have code for; x86 names first, then Arm's.
_NOTED_INSTRUCTIONS = (
    *("sse4_2", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"),
    *("asimd", "asimddp", "i8mm", "bf16", "sve"),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the measurements were made on.

    cores: how many this process may use, which a container or `taskset` can limit.
    instructions: the vector instruction sets among those that make a difference here.
    """

    processor: str
    cores: int
    instructions: tuple[str, ...]
    system: str
    python: str

    @classmethod
    def here(cls) -> Machine:
        """This machine."""
        facts = _cpuinfo()
        flags = set((facts.get("flags") or facts.get("features") or "").split())
        return cls(
            processor=facts.get("model name") or _board() or platform.machine(),
            cores=len(os.sched_getaffinity(0)),
            instructions=tuple(name for name in _NOTED_INSTRUCTIONS if name in flags),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            python=platform.python_version(),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU. compute_capability is (major, minor); driver_cuda the newest CUDA it takes."""

    name: str
    compute_capability: tuple[int, int]
    driver_cuda: tuple[int, int]

    def told(self) -> str:
        """In a line."""
        (major, minor), cuda = self.compute_capability, ".".join(map(str, self.driver_cuda))
        return f"{self.name}, SM {major}{minor}, driver for CUDA {cuda}"


def gpus() -> list[Gpu]:
    """The GPUs that the NVIDIA driver shows to this process; empty where there is no driver."""
    cuda = _driver()
    if cuda is None:
        return []
    count, version = ctypes.c_int(), ctypes.c_int()
    if cuda.cuDeviceGetCount(ctypes.byref(count)):
        return []
    cuda.cuDriverGetVersion(ctypes.byref(version))
    driver_cuda = version.value // 1000, version.value % 1000 // 10
    return [
        Gpu(_gpu_name(cuda, index), _compute_capability(cuda, index), driver_cuda)
        for index in range(count.value)
    ]


def gpu_bus_address() -> str | None:
    """Where CUDA's device 0 is on the PCI bus, such as "0000:41:00.0"; None where there is none."""
    cuda = _driver()
    address = ctypes.create_string_buffer(32)
    if cuda is None or cuda.cuDeviceGetPCIBusId(address, len(address), 0):
        return None
    return address.value.decode()


def cameras() -> list[str]:
    """The video devices of Linux, such as "/dev/video0"."""
    return [str(path) for path in sorted(Path("/dev").glob("video*"))]


def _driver() -> ctypes.CDLL | None:
    """NVIDIA's driver, initialised; None where there is none, or no GPU."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return None if cuda.cuInit(0) else cuda


def peak_memory_mb() -> float | None:
    """The most memory that this process had resident, in 10^6 bytes; None where Linux does not
    tell. Not what `getrusage` says: that of a child begins with what its parent had."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return found[0] * 1024 / 1e6 if found else None


def _gpu_name(cuda: ctypes.CDLL, index: int) -> str:
    name = ctypes.create_string_buffer(128)
    cuda.cuDeviceGetName(name, len(name), index)
    return name.value.decode(errors="replace")


def _compute_capability(cuda: ctypes.CDLL, index: int) -> tuple[int, int]:
    # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of cuda.h
    value = ctypes.c_int()
    cuda.cuDeviceGetAttribute(ctypes.byref(value), 75, index)
    major = value.value
    cuda.cuDeviceGetAttribute(ctypes.byref(value), 76, index)
    return major, value.value


def _cpuinfo() -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo, by lower-case key."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    facts: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            facts.setdefault(key.strip().lower(), value.strip())
    return facts


def _board() -> str:
    """The name of an Arm board, such as a Jetson."""
    try:
        return Path("/proc/device-tree/model").read_text(encoding="utf-8").rstrip("\0\n")
    except OSError:
        return ""
