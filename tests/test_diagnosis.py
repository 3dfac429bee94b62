from __future__ import annotations

import os
import sys
from typing import Any

import msgspec
import pytest

from edge_mtl.diagnosis import Finding, examine
from edge_mtl.machine import Gpu, Machine, cameras, gpus


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

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: int) -> int:  # noqa: N802
        value._obj.value = {75: 8, 76: 7}[attribute]
        return 0


def test_gpus_are_asked_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: FakeCuda())
    assert gpus() == [Gpu("Orin 0", (8, 7), (12, 6)), Gpu("Orin 1", (8, 7), (12, 6))]
    assert by_subject()["GPU"].found == "Orin 1, SM 87, driver for CUDA 12.6"


def test_a_driver_that_does_not_start_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCuda, "cuInit", lambda self, flags: 100)
    monkeypatch.setattr("ctypes.CDLL", lambda name: FakeCuda())
    assert gpus() == []
