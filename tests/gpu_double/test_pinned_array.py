from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_mtl.gpu.context import owned_gpu, pycuda_driver
from edge_mtl.gpu.device_array import address_of
from edge_mtl.gpu.pinned_array import PinnedArray


@pytest.fixture
def stream(gpu: Any) -> Iterator[Any]:
    with owned_gpu():
        yield pycuda_driver().Stream()


def test_the_gpu_has_a_twin_of_its_own(gpu: Any, stream: Any) -> None:
    array = PinnedArray((2, 3), "float16", read_once=True)
    assert not array.shared
    assert array.address != array.host.ctypes.data
    assert address_of(array, "array", (2, 3), "float16") == array.address
    array.host[...] = 5
    array.to_gpu(stream)
    array.host[...] = 0
    array.to_host(stream)
    np.testing.assert_array_equal(array.host, np.full((2, 3), 5))
    assert gpu.calls == ["to GPU", "to host"]


def test_on_shared_memory_what_is_read_once_is_not_copied(gpu: Any, stream: Any) -> None:
    gpu.integrated = True
    frame, tensor = PinnedArray((4,), "uint8", read_once=True), PinnedArray((4,), "int8")
    assert frame.shared
    assert not tensor.shared
    assert frame.address == frame.host.ctypes.data
    assert frame.host.any() == False  # noqa: E712 - of NumPy
    for array in (frame, tensor):
        array.to_gpu(stream)
    assert gpu.calls == ["to GPU"]
