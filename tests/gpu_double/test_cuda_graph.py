from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from edge_mtl.gpu.context import owned_gpu, pycuda_driver
from edge_mtl.gpu.cuda_graph import NON_BLOCKING, CudaGraph, GraphError, Stopwatch


@pytest.fixture
def stream(gpu: Any) -> Iterator[Any]:
    with owned_gpu():
        yield pycuda_driver().Stream(NON_BLOCKING)


def test_what_is_captured_is_done_in_each_launch(gpu: Any, stream: Any) -> None:
    done = []
    graph = CudaGraph(stream.handle, lambda: gpu.do(stream, "work", lambda: done.append(1)))
    assert done == []
    graph.launch()
    graph.launch()
    assert done == [1, 1]
    graph.close()
    graph.close()
    assert gpu.library.destroyed == ["cuGraphDestroy", "cuGraphExecDestroy"]


def test_a_graph_that_is_forgotten_is_destroyed(gpu: Any, stream: Any) -> None:
    graph = CudaGraph(stream.handle, lambda: None)
    del graph
    gc.collect()
    assert gpu.library.destroyed == ["cuGraphDestroy", "cuGraphExecDestroy"]


def test_what_cannot_be_captured_leaves_the_stream_usable(gpu: Any, stream: Any) -> None:
    driver, done = pycuda_driver(), []
    message = "no CUDA graph can be made: operation not permitted when stream is capturing"
    with pytest.raises(GraphError, match=message):
        CudaGraph(stream.handle, lambda: driver.mem_alloc(1))
    gpu.do(stream, "work", lambda: done.append(1))
    assert done == [1]
    with pytest.raises(GraphError, match="no CUDA graph can be made: ZeroDivisionError"):
        CudaGraph(stream.handle, lambda: raise_(ZeroDivisionError()))
    assert gpu.library.destroyed == ["cuGraphDestroy"]
    CudaGraph(stream.handle, lambda: None).launch()


def raise_(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "call", ["cuStreamBeginCapture_v2", "cuGraphInstantiateWithFlags", "cuGraphLaunch"]
)
def test_a_call_that_fails_is_named(gpu: Any, stream: Any, call: str) -> None:
    gpu.refuses = call
    with pytest.raises(GraphError, match=rf"{call} failed: unknown error \(CUDA error 999\)"):
        CudaGraph(stream.handle, lambda: None).launch()


def test_a_stopwatch_that_is_forgotten_gives_its_events_back(gpu: Any, stream: Any) -> None:
    watch = Stopwatch(3)
    del watch
    gc.collect()
    assert gpu.library.destroyed == ["cuEventDestroy_v2"] * 3


@pytest.mark.parametrize("captured", [False, True])
def test_time_between_marks_in_a_graph_and_without(gpu: Any, stream: Any, captured: bool) -> None:
    watch = Stopwatch(3)

    def enqueue() -> None:
        for index in range(3):
            watch.mark(index, stream.handle, captured=captured)
            for _ in range(index + 1):
                gpu.do(stream, "a millisecond", lambda: None)

    if captured:
        graph = CudaGraph(stream.handle, enqueue)
        with pytest.raises(GraphError, match="cuEventElapsedTime"):
            watch.elapsed_ms()
        graph.launch()
        gpu.clock_ms += 100
        graph.launch()
        assert watch.elapsed_ms() == [2, 3]  # a mark is a millisecond of the double too
    else:
        enqueue()
        assert watch.elapsed_ms() == [1, 2]
