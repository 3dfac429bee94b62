from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest

from edge_mtl.diagnosis import Finding, examine
from edge_mtl.gpu.context import driver_library, pycuda_driver
from edge_mtl.machine import Gpu, Machine, cameras, gpu_bus_address, gpus
from edge_mtl.runtime.sources import backends


def by_subject() -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine().findings}


def test_what_is_installed_is_found_with_its_version() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")
    diagnosis = examine()
    findings = by_subject()
    assert diagnosis.ready
    assert findings["onnxruntime"] == Finding("onnxruntime", "ok", onnxruntime.__version__)
    assert set(findings) >= {"openvino", "kernels", "OpenCV", "GPU", "cameras", "training"}
    assert msgspec.json.encode(diagnosis.to_json())


def test_what_is_missing_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("onnxruntime", "openvino", "cv2"):
        monkeypatch.setitem(sys.modules, module, None)
    assert not examine().ready
    findings = by_subject()
    for subject in ("onnxruntime", "openvino", "OpenCV"):
        assert findings[subject].state == "missing"
        assert findings[subject].remedy == "pip install 'edge-mtl[cpu]'"
    assert "GStreamer" not in findings


def test_what_opens_sources_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2", reason="the extra cpu is not installed")
    assert by_subject()["FFmpeg"] == Finding("FFmpeg", "ok", "in OpenCV: video files, RTSP, HTTP")
    monkeypatch.setattr(backends, "opencv_builds_in", lambda library: library == "GStreamer")
    monkeypatch.setattr(backends, "pygobject", lambda: None)
    findings = by_subject()
    assert findings["V4L2"].state == "missing"
    assert findings["GStreamer"].found == "through OpenCV: gst: and csi: sources"
    monkeypatch.setattr(backends, "pygobject", lambda: object())
    assert by_subject()["GStreamer"].found.startswith("through PyGObject")
    monkeypatch.setattr(backends, "opencv_builds_in", lambda library: False)
    monkeypatch.setattr(backends, "pygobject", lambda: None)
    finding = by_subject()["GStreamer"]
    assert (finding.state, finding.remedy) == ("absent", backends.GSTREAMER_REMEDY)


def test_torch_is_looked_for_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert by_subject()["training"].state in ("ok", "missing")
    assert "torch" not in sys.modules


def test_missing_kernels_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_mtl import ops

    monkeypatch.setattr(ops, "compiled", lambda: None)
    monkeypatch.setattr(ops, "why_not_compiled", lambda: "no compiler")
    assert by_subject()["kernels"] == Finding(
        "kernels", "missing", "NumPy stands in, slowly", "no compiler"
    )


def test_this_machine() -> None:
    machine = Machine.here()
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.processor
    assert machine.to_json()["python"].startswith("3.")
    assert all(gpu.compute_capability >= (3, 0) for gpu in gpus())
    assert all(camera.startswith("/dev/video") for camera in cameras())


class FakeCuda:
    """What libcuda.so.1 answers on a box with two GPUs of compute capability 8.7."""

    def cuInit(self, flags: int) -> int:  # noqa: N802 - the driver's names
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = 2
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = 12060
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: int) -> int:  # noqa: N802
        name.value = f"Orin {device}".encode()
        return 0

    def cuDeviceGetPCIBusId(self, address: Any, length: int, device: int) -> int:  # noqa: N802
        address.value = f"0000:4{device}:00.0".encode()
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: int) -> int:  # noqa: N802
        value._obj.value = {75: 8, 76: 7}[attribute]
        return 0


def test_gpus_are_asked_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: FakeCuda())
    assert gpus() == [Gpu("Orin 0", (8, 7), (12, 6)), Gpu("Orin 1", (8, 7), (12, 6))]
    assert by_subject()["GPU"].found == "Orin 1, SM 87, driver for CUDA 12.6"
    assert gpu_bus_address() == "0000:40:00.0"


def test_a_machine_without_a_gpu_has_no_bus_address(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoGpu(FakeCuda):
        def cuInit(self, flags: int) -> int:  # noqa: N802
            return 100  # CUDA_ERROR_NO_DEVICE

    monkeypatch.setattr("ctypes.CDLL", lambda name: NoGpu())
    assert gpus() == []
    assert gpu_bus_address() is None


def test_the_energy_meter_is_told_or_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_mtl.benchmark import energy

    asked = []
    closed = []
    meter = SimpleNamespace(
        name="RAPL", covers="processor package 0, without DRAM", close=lambda: closed.append(1)
    )
    answers = iter(["no energy meter: no INA3221", meter])

    def open_meter(on_gpu: bool) -> Any:
        asked.append(on_gpu)
        return next(answers)

    monkeypatch.setattr(energy, "open_meter", open_meter)
    finding = by_subject()["energy"]
    assert finding == Finding("energy", "absent", "no energy meter: no INA3221")
    monkeypatch.setattr("ctypes.CDLL", lambda name: FakeCuda())
    finding = by_subject()["energy"]
    assert finding == Finding("energy", "ok", "RAPL: processor package 0, without DRAM")
    assert asked[1]
    assert closed == [1]


@pytest.fixture
def gpu_box(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with a GPU, a driver and kernels for it, and nothing installed beside them."""
    monkeypatch.setattr("ctypes.CDLL", lambda name, mode=0: FakeCuda())
    driver_library.cache_clear()
    for module in ("onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "pycuda"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("shutil.which", lambda name: f"/cuda/bin/{name}")
    return monkeypatch


def install(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    module: Any = ModuleType(name)
    for key, value in contents.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


def test_what_tensorrt_needs_on_a_gpu_box_is_told(gpu_box: pytest.MonkeyPatch) -> None:
    findings = by_subject()
    assert findings["tensorrt"].remedy == "pip install 'edge-mtl[gpu]'"
    assert findings["tensorrt-rtx"].remedy == "pip install 'edge-mtl[tensorrt-rtx]'"
    assert findings["PyCUDA"].remedy == "pip install 'edge-mtl[gpu]'"
    assert findings["GPU kernels"].state == "ok"
    install(gpu_box, "tensorrt_rtx", __version__="1.7.1")
    install(gpu_box, "pycuda", VERSION_TEXT="2026.1")
    gpu_box.setitem(sys.modules, "pycuda.driver", None)
    pycuda_driver.cache_clear()
    findings = by_subject()
    assert "tensorrt" not in findings  # one of the two is enough
    assert findings["PyCUDA"].state == "missing"
    assert not examine().ready
    install(gpu_box, "pycuda.driver", init=lambda: None, Error=OSError)
    sys.modules["pycuda"].driver = sys.modules["pycuda.driver"]  # type: ignore[attr-defined]
    assert by_subject()["PyCUDA"] == Finding("PyCUDA", "ok", "2026.1")
    assert examine().ready
    pycuda_driver.cache_clear()


def test_kernels_that_nothing_can_compile_are_told(
    gpu_box: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu_box.setattr("edge_mtl.gpu.kernel_code.code_folder", lambda: tmp_path)
    gpu_box.setattr("shutil.which", lambda name: None)
    assert "nvcc is on the PATH" in by_subject()["GPU kernels"].remedy
    (tmp_path / "preprocess.fatbin").touch()
    assert by_subject()["GPU kernels"].found == "compiled: preprocess"


def test_a_driver_that_does_not_start_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCuda, "cuInit", lambda self, flags: 100)
    monkeypatch.setattr("ctypes.CDLL", lambda name: FakeCuda())
    assert gpus() == []
