"""The GPU that the engines use: its clock, its heat, and what cuts its clock."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple, Protocol

from edge_mtl.benchmark.nvml_device import NvmlDevice
from edge_mtl.benchmark.sensors import SensorError, number


class GpuWatch(Protocol):
    """clocks_mhz: one a look. hottest_c: degrees Celsius; None where others tell it."""

    clocks_mhz: list[float]
    hottest_c: float | None

    def look(self) -> None:
        """Note how it is now."""

    def throttled(self) -> list[str]:
        """What cut its clock since the watch began, such as "GPU, power limit: for 1.20 s"."""

    def close(self) -> None:
        """Release it."""


def watch_gpu() -> GpuWatch | None:
    """None where there is no GPU that tells anything."""
    jetson = _JetsonGpu.find(Path("/sys/class/devfreq"))
    if jetson is not None:
        return jetson
    try:
        return _NvmlGpu(NvmlDevice.open())
    except SensorError:
        return None


class _JetsonGpu:
    """A Jetson's, by its clock alone: its heat and what cuts its clock are among the board's
    (`Thermometers`, `Cooling`, `throttle_counts`)."""

    def __init__(self, clock_hz: Path) -> None:
        self.clocks_mhz: list[float] = []
        self.hottest_c: float | None = None
        self._clock_hz = clock_hz

    @classmethod
    def find(cls, devfreq: Path) -> _JetsonGpu | None:
        """Of an Orin with JetPack 6 or 5, or of a Thor."""
        for name in ("17000000.gpu", "17000000.ga10b", "gpu-gpc-0"):
            clock_hz = devfreq / name / "cur_freq"
            if clock_hz.exists():
                return cls(clock_hz)
        return None

    def look(self) -> None:
        hertz = number(self._clock_hz)
        if hertz is not None:
            self.clocks_mhz.append(hertz / 1e6)

    def throttled(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


class _Cause(NamedTuple):
    """reasons: bits of nvmlClocksEventReason*, seen at a look. field: the counter of the time in
    ns, by its name in `pynvml`, which tells what was between the looks too; newer GPUs have it."""

    told: str
    reasons: int
    field: str | None = None


_CAUSES = (
    _Cause("power limit", 0x4, "NVML_FI_DEV_PERF_POLICY_POWER"),
    _Cause("thermal", 0x20 | 0x40, "NVML_FI_DEV_PERF_POLICY_THERMAL"),
    _Cause("hardware slowdown", 0x8 | 0x80),
)


class _NvmlGpu:
    def __init__(self, device: NvmlDevice) -> None:
        self.clocks_mhz: list[float] = []
        self.hottest_c: float | None = None
        self._device = device
        self._looks = 0
        self._seen = dict.fromkeys(_CAUSES, 0)
        self._before = self._nanoseconds()

    def look(self) -> None:
        nvml, handle = self._device.nvml, self._device.handle
        with contextlib.suppress(nvml.NVMLError):
            clock = nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)
            self.clocks_mhz.append(float(clock))
        with contextlib.suppress(nvml.NVMLError):
            celsius = nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
            self.hottest_c = max(float(celsius), self.hottest_c or 0.0)
        reasons = self._reasons()
        self._looks += 1
        for cause in _CAUSES:
            self._seen[cause] += bool(reasons & cause.reasons)

    def throttled(self) -> list[str]:
        after = self._nanoseconds()
        found = []
        for cause in _CAUSES:
            if cause in self._before and cause in after:
                seconds = (after[cause] - self._before[cause]) / 1e9
                if seconds > 0:
                    found.append(f"GPU, {cause.told}: for {seconds:.2f} s")
            elif self._seen[cause]:
                found.append(f"GPU, {cause.told}: at {self._seen[cause]} of {self._looks} looks")
        return found

    def close(self) -> None:
        self._device.close()

    def _reasons(self) -> int:
        nvml, handle = self._device.nvml, self._device.handle
        with contextlib.suppress(nvml.NVMLError):
            return int(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        with contextlib.suppress(nvml.NVMLError):  # its name before driver 535
            return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
        return 0

    def _nanoseconds(self) -> dict[_Cause, int]:
        """Of the causes for which the GPU counts."""
        nvml = self._device.nvml
        counted = [cause for cause in _CAUSES if cause.field is not None]
        fields = [getattr(nvml, str(cause.field)) for cause in counted]
        try:
            values = nvml.nvmlDeviceGetFieldValues(self._device.handle, fields)
        except nvml.NVMLError:
            return {}
        return {
            cause: int(value.value.ullVal)
            for cause, value in zip(counted, values, strict=True)
            if value.nvmlReturn == nvml.NVML_SUCCESS
        }
