from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.gpu.context import driver_library, owned_gpu, pycuda_driver


def test_the_context_is_on_the_stack_only_while_the_gpu_is_owned(gpu: Any) -> None:
    with owned_gpu():
        with owned_gpu():
            assert gpu.depth == 2
        assert gpu.depth == 1
    assert gpu.depth == 0
    with pytest.raises(ZeroDivisionError), owned_gpu():
        _ = 1 / 0
    assert gpu.depth == 0


def test_lesson_23_one_thread_owns_the_gpu_at_a_time(gpu: Any) -> None:
    order: list[str] = []
    entered = threading.Event()

    def other() -> None:
        entered.set()
        with owned_gpu():
            order.append("other")
        assert gpu.depth == 0  # PyCUDA aborts the process where a thread ends with a context

    thread = threading.Thread(target=other)
    with owned_gpu():
        thread.start()
        assert entered.wait(10)
        thread.join(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"]


@pytest.mark.usefixtures("gpu")
def test_what_the_driver_reports_is_one_line() -> None:
    driver = pycuda_driver()
    message = r"the GPU cannot go on \(cuMemAlloc failed: out of memory\): look in nvidia-smi"
    with pytest.raises(EdgeMtlError, match=message), owned_gpu():
        raise driver.Error("cuMemAlloc failed:\n out of memory")


def test_no_gpu_a_broken_pycuda_and_none_are_told_apart(
    gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = sys.modules["pycuda.driver"]

    def no_device() -> None:
        raise driver.Error("cuInit failed: no CUDA-capable device is detected")

    def told(kind: type[Exception], message: str) -> None:
        pycuda_driver.cache_clear()
        with pytest.raises(kind, match=message), owned_gpu():
            pass
        assert gpu.depth == 0

    monkeypatch.setattr(driver, "init", no_device)
    told(EdgeMtlError, "expected an NVIDIA GPU, the driver says: cuInit failed: no CUDA-capable")
    monkeypatch.delattr(sys.modules["pycuda"], "driver")
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    told(EdgeMtlError, r"pycuda 2026.1 is installed but broken \(.*\): reinstall it")
    monkeypatch.setitem(sys.modules, "pycuda", None)
    told(ModuleNotFoundError, "pycuda")


def test_no_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, mode: int) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    driver_library.cache_clear()
    monkeypatch.setattr("ctypes.CDLL", missing)
    with pytest.raises(EdgeMtlError, match=r"found no driver \(libcuda.so.1: cannot open"):
        driver_library()
