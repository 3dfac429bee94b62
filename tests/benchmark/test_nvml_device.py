from __future__ import annotations

import sys
from typing import Any

import pytest

from edge_mtl.benchmark import nvml_device
from edge_mtl.benchmark.nvml_device import NvmlDevice
from edge_mtl.benchmark.sensors import SensorError


def test_the_gpu_is_the_one_that_cuda_uses(nvml: Any) -> None:
    device = NvmlDevice.open()
    assert (device.name, nvml.asked_for, nvml.opened) == ("NVIDIA H200", "0000:41:00.0", 1)
    device.close()
    assert nvml.opened == 0


def test_no_gpu_is_told_before_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(nvml_device, "gpu_bus_address", lambda: None)
    with pytest.raises(SensorError, match=r"^NVML: no NVIDIA GPU, or no driver$"):
        NvmlDevice.open()


@pytest.mark.usefixtures("nvml")
def test_without_pynvml_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(SensorError, match=r"pip install 'edge-mtl\[gpu\]'"):
        NvmlDevice.open()


@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetHandleByPciBusId"])
def test_what_nvml_refuses_is_the_reason_and_nothing_stays_open(nvml: Any, function: str) -> None:
    nvml.broken[function] = "Driver Not Loaded"
    with pytest.raises(SensorError, match=r"^NVML: .*Driver Not Loaded$"):
        NvmlDevice.open()
    assert nvml.opened == 0
