from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.gpu.context import owned_gpu, pycuda_driver


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


def test_no_driver_no_gpu_and_no_pycuda_are_told_apart(
    gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = sys.modules["pycuda.driver"]

    def no_device() -> None:
        raise driver.Error("cuInit failed: no CUDA-capable device is detected")

    monkeypatch.setattr(driver, "init", no_device)
    with pytest.raises(EdgeMtlError, match="the driver says: cuInit failed: no CUDA"), owned_gpu():
        pass
    monkeypatch.setitem(sys.modules, "pycuda", NoLibrary("pycuda"))
    with pytest.raises(EdgeMtlError, match=r"no driver \(libcuda.so.1: cannot open"), owned_gpu():
        pass
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(ModuleNotFoundError, match="pycuda"), owned_gpu():
        pass
    assert gpu.depth == 0


class NoLibrary(type(sys)):  # type: ignore[misc]
    """`pycuda` where its driver module cannot be loaded."""

    def __getattr__(self, name: str) -> Any:
        raise ImportError("libcuda.so.1: cannot open shared object file")
