from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from edge_mtl.benchmark.energy.nvml import open_nvml
from edge_mtl.benchmark.sensors import SensorError


def test_the_counter_of_the_gpu_is_read(nvml: Any) -> None:
    meter = open_nvml()
    assert (meter.name, meter.covers) == ("NVML, NVIDIA H200", "the GPU and its memory")
    assert meter.joules() == 0
    nvml.millijoules += 12_345
    assert meter.joules() == pytest.approx(12.345)
    assert "energy meter" not in {thread.name for thread in threading.enumerate()}
    meter.close()
    meter.close()
    assert nvml.opened == 0


def test_the_power_of_an_older_gpu_is_integrated(nvml: Any, clock: SimpleNamespace) -> None:
    nvml.broken["nvmlDeviceGetTotalEnergyConsumption"] = "Not Supported"
    meter = open_nvml()
    assert meter.name.startswith("NVML, NVIDIA H200, its power every")
    clock.s = 2.0
    assert meter.joules() == pytest.approx(140)
    nvml.milliwatts = 90_000
    clock.s = 3.0
    assert meter.joules() == pytest.approx(220)
    meter.close()
    assert nvml.opened == 0


def test_a_gpu_that_tells_neither_is_released(nvml: Any) -> None:
    nvml.broken["nvmlDeviceGetTotalEnergyConsumption"] = "Not Supported"
    nvml.broken["nvmlDeviceGetPowerUsage"] = "Not Supported"
    with pytest.raises(SensorError, match="NVIDIA H200 does not tell its power: Not Supported"):
        open_nvml()
    assert nvml.opened == 0


def test_a_gpu_that_is_lost_is_the_reason(nvml: Any) -> None:
    meter = open_nvml()
    nvml.broken["nvmlDeviceGetTotalEnergyConsumption"] = "GPU is lost"
    for _ in range(2):
        with pytest.raises(SensorError, match="GPU is lost"):
            meter.joules()
    meter.close()
