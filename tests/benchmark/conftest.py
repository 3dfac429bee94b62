from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from edge_mtl.benchmark import nvml_device
from edge_mtl.benchmark.machine_watch import MachineWatch


class FakeNvml:
    """The module `pynvml` on a box with one GPU. What is in `broken` raises; `opened` counts how
    often it was initialised and not yet shut down."""

    NVML_SUCCESS = 0
    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0
    NVML_FI_DEV_PERF_POLICY_POWER = 74
    NVML_FI_DEV_PERF_POLICY_THERMAL = 75

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.broken: dict[str, str] = {}
        self.opened = 0
        self.asked_for = ""
        self.millijoules = 5_000_000
        self.milliwatts = 70_000
        self.clock_mhz = 1980
        self.celsius = 41
        self.reasons = 0
        self.nanoseconds = {74: 0, 75: 0}

    def _check(self, name: str) -> None:
        if name in self.broken:
            raise self.NVMLError(self.broken[name])

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        self._check("nvmlInit")
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.opened -= 1

    def nvmlDeviceGetHandleByPciBusId(self, address: str) -> str:  # noqa: N802
        self._check("nvmlDeviceGetHandleByPciBusId")
        self.asked_for = address
        return "handle"

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return "NVIDIA H200"

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        self._check("nvmlDeviceGetTotalEnergyConsumption")
        return self.millijoules

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:  # noqa: N802
        self._check("nvmlDeviceGetPowerUsage")
        return self.milliwatts

    def nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:  # noqa: N802
        self._check("nvmlDeviceGetClockInfo")
        return self.clock_mhz

    def nvmlDeviceGetTemperature(self, handle: str, sensor: int) -> int:  # noqa: N802
        self._check("nvmlDeviceGetTemperature")
        return self.celsius

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: str) -> int:  # noqa: N802
        self._check("nvmlDeviceGetCurrentClocksEventReasons")
        return self.reasons

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:  # noqa: N802
        self._check("nvmlDeviceGetCurrentClocksThrottleReasons")
        return self.reasons

    def nvmlDeviceGetFieldValues(self, handle: str, fields: list[int]) -> list[Any]:  # noqa: N802
        self._check("nvmlDeviceGetFieldValues")
        return [
            SimpleNamespace(
                nvmlReturn=0 if field in self.nanoseconds else 3,
                value=SimpleNamespace(ullVal=self.nanoseconds.get(field, 0)),
            )
            for field in fields
        ]


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """A GPU at 0000:41:00.0, with NVML."""
    fake: Any = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(nvml_device, "gpu_bus_address", lambda: "0000:41:00.0")
    return fake


class CountedWatch(MachineWatch):
    """Counts how often it is asked to look, and does not."""

    looks = 0

    def look(self) -> None:
        self.looks += 1


@pytest.fixture
def watch() -> CountedWatch:
    return CountedWatch()


class SteadyMeter:
    """Two joules for every time that it is read."""

    name, covers = "steady", "everything"

    def __init__(self) -> None:
        self.used = 0.0
        self.closed = False

    def joules(self) -> float:
        self.used += 2.0
        return self.used

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def meter() -> SteadyMeter:
    return SteadyMeter()
