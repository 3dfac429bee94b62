"""Graphs, times and shared memory, asked of the driver itself; compute-sanitizer watches these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from edge_mtl.machine import gpus

driver = pytest.importorskip(
    "pycuda.driver",
    reason="PyCUDA, of the extra gpu, or the NVIDIA driver is missing",
    exc_type=ImportError,
)
if not gpus():
    pytest.skip("no NVIDIA GPU on this machine", allow_module_level=True)

from edge_mtl.gpu.context import owned_gpu  # noqa: E402
from edge_mtl.gpu.cuda_graph import NON_BLOCKING, CudaGraph, Stopwatch  # noqa: E402
from edge_mtl.gpu.pinned_array import PinnedArray, shares_memory  # noqa: E402


@pytest.fixture
def stream() -> Iterator[Any]:
    with owned_gpu():
        yield driver.Stream(NON_BLOCKING)


def test_the_driver_captures_launches_and_times(stream: Any) -> None:
    source, target = PinnedArray((1 << 20,), "uint8"), PinnedArray((1 << 20,), "uint8")
    watch = Stopwatch(3)

    def enqueue(captured: bool) -> None:
        watch.mark(0, stream.handle, captured=captured)
        source.to_gpu(stream)
        watch.mark(1, stream.handle, captured=captured)
        driver.memcpy_dtod_async(target.address, source.address, source.host.nbytes, stream)
        target.to_host(stream)
        watch.mark(2, stream.handle, captured=captured)

    source.host.fill(1)
    enqueue(captured=False)
    stream.synchronize()
    assert target.host.all()
    assert all(each > 0 for each in watch.elapsed_ms())
    graph = CudaGraph(stream.handle, lambda: enqueue(captured=True))
    for value in (2, 3):
        source.host.fill(value)
        graph.launch()
        stream.synchronize()
        assert (target.host == value).all()
        assert all(each > 0 for each in watch.elapsed_ms())
    graph.close()
    graph.close()


def test_what_is_read_once_is_shared_where_the_memory_is(stream: Any) -> None:
    frame, copied = (
        PinnedArray((1 << 16,), "uint8", read_once=True),
        PinnedArray((1 << 16,), "uint8"),
    )
    assert frame.shared == shares_memory()
    assert not copied.shared
    frame.host.fill(7)
    frame.to_gpu(stream)
    driver.memcpy_dtod_async(copied.address, frame.address, frame.host.nbytes, stream)
    copied.to_host(stream)
    stream.synchronize()
    assert (copied.host == 7).all()
