from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_mtl.benchmark import nvml_device
from edge_mtl.benchmark.machine_watch.gpu_watch import _JetsonGpu, watch_gpu


@pytest.mark.parametrize("name", ["17000000.gpu", "17000000.ga10b", "gpu-gpc-0"])
def test_the_clock_of_a_jetson(write: Any, tmp_path: Path, name: str) -> None:
    assert _JetsonGpu.find(tmp_path) is None
    write("fb000000.npu/cur_freq", 1)
    write(f"{name}/cur_freq", 306_000_000)
    gpu = _JetsonGpu.find(tmp_path)
    assert gpu is not None
    gpu.look()
    write(f"{name}/cur_freq", 1_020_000_000)
    gpu.look()
    assert gpu.clocks_mhz == [306, 1020]
    assert gpu.throttled() == []


def test_clock_and_heat_through_nvml(nvml: Any) -> None:
    gpu = watch_gpu()
    assert gpu is not None
    assert gpu.hottest_c is None
    gpu.look()
    nvml.clock_mhz, nvml.celsius = 345, 39
    gpu.look()
    assert (gpu.clocks_mhz, gpu.hottest_c, gpu.throttled()) == ([1980, 345], 41, [])
    gpu.close()
    assert nvml.opened == 0


def test_the_time_for_which_the_clock_was_cut(nvml: Any) -> None:
    nvml.nanoseconds = {74: 5_000_000_000, 75: 7}
    gpu = watch_gpu()
    assert gpu is not None
    nvml.reasons = 0x4 | 0x1  # of which the counter knows more than a look
    gpu.look()
    nvml.nanoseconds = {74: 6_200_000_000, 75: 7}
    assert gpu.throttled() == ["GPU, power limit: for 1.20 s"]


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        (0x0, []),
        (0x1 | 0x2 | 0x10 | 0x100, []),  # idle, set by somebody, or to be as fast as another
        (0x4, ["GPU, power limit: at 1 of 2 looks"]),
        (0x20, ["GPU, thermal: at 1 of 2 looks"]),
        (
            0x40 | 0x8,
            ["GPU, thermal: at 1 of 2 looks", "GPU, hardware slowdown: at 1 of 2 looks"],
        ),
        (0x80, ["GPU, hardware slowdown: at 1 of 2 looks"]),
    ],
)
@pytest.mark.parametrize("newer", [False, True])
def test_reasons_at_a_look_where_the_gpu_does_not_count(
    nvml: Any, reasons: int, told: list[str], newer: bool
) -> None:
    if newer:
        nvml.nanoseconds = {}
    else:
        nvml.broken["nvmlDeviceGetFieldValues"] = "Function Not Found"
        nvml.broken["nvmlDeviceGetCurrentClocksEventReasons"] = "Function Not Found"
    gpu = watch_gpu()
    assert gpu is not None
    gpu.look()
    nvml.reasons = reasons
    gpu.look()
    assert gpu.throttled() == told


def test_a_gpu_that_is_lost_tells_no_more(nvml: Any) -> None:
    gpu = watch_gpu()
    assert gpu is not None
    for name in (
        *("nvmlDeviceGetClockInfo", "nvmlDeviceGetTemperature", "nvmlDeviceGetFieldValues"),
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
    ):
        nvml.broken[name] = "GPU is lost"
    gpu.look()
    assert (gpu.clocks_mhz, gpu.hottest_c, gpu.throttled()) == ([], None, [])


def test_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml_device, "gpu_bus_address", lambda: None)
    if not Path("/sys/class/devfreq/gpu-gpc-0").exists():
        monkeypatch.setattr(_JetsonGpu, "find", lambda devfreq: None)
    assert watch_gpu() is None
