"""The energy of an NVIDIA GPU, through NVML."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge_mtl.benchmark.energy.meter import EnergyMeter
from edge_mtl.benchmark.energy.power_integral import READ_EVERY_S, PowerIntegral
from edge_mtl.benchmark.energy.sensor_meter import SensorMeter
from edge_mtl.benchmark.nvml_device import NvmlDevice
from edge_mtl.benchmark.sensors import SensorError

_COVERS = "the GPU and its memory"


def open_nvml() -> EnergyMeter:
    """The GPU's own counter of energy, which GPUs since Volta have; of older ones the integral of
    their power.

    Raises:
        SensorError: no such GPU, no `pynvml`, or the GPU tells neither.
    """
    device = NvmlDevice.open()
    name = f"NVML, {device.name}"
    try:
        return SensorMeter(name, _COVERS, _counted(device), release=device.close)
    except SensorError:
        pass
    every = f"{name}, its power every {READ_EVERY_S * 1e3:.0f} ms"
    try:
        return SensorMeter(every, _COVERS, _integrated(device), READ_EVERY_S, device.close)
    except SensorError:
        device.close()
        raise


def _counted(device: NvmlDevice) -> Callable[[], float]:
    """By the counter, which has millijoules since the driver was loaded."""

    def millijoules() -> int:
        try:
            return int(device.nvml.nvmlDeviceGetTotalEnergyConsumption(device.handle))
        except device.nvml.NVMLError as error:
            raise SensorError(f"NVML: {device.name} does not tell its energy: {error}") from None

    first = millijoules()
    return lambda: (millijoules() - first) / 1e3


def _integrated(device: NvmlDevice) -> Callable[[], float]:
    """By the power, which is told in milliwatts."""
    integral = PowerIntegral()

    def joules() -> float:
        try:
            milliwatts = int(device.nvml.nvmlDeviceGetPowerUsage(device.handle))
        except device.nvml.NVMLError as error:
            raise SensorError(f"NVML: {device.name} does not tell its power: {error}") from None
        return integral.add(milliwatts / 1e3, time.monotonic())

    return joules
