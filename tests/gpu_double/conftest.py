"""A GPU that is not there: the driver and PyCUDA, with the host's memory as the GPU's.

Kernels are those of `kernels/`, compiled for the host. Every call is refused where no context is
current in its thread, and so are allocations while a stream is captured; what is captured runs when
its graph is launched, and not before.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_mtl.gpu import context, cuda_graph, fused_head, kernel_code

Work = Callable[[], None]
INTEGRATED, CAN_MAP_HOST_MEMORY = 18, 19


class DriverError(Exception):
    pass


class Gpu:
    """The driver's state.

    calls: what streams were given to do, in the order in which it was done.
    live_bytes: of the memory that is allocated. allocations: how often some was asked for.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.live_bytes = self.allocations = 0
        self.integrated = False
        self.capability = 8, 7
        self.refuses = ""  # the name of a call of libcuda that fails
        self.threads: set[int] = set()
        self._contexts = threading.local()
        self._captured: dict[int, list[tuple[str, Work]]] = {}
        self._broken: set[int] = set()
        self._handles = 1000
        self.graphs: dict[int, list[tuple[str, Work]]] = {}
        self.event_times: dict[int, float] = {}
        self.clock_ms = 0.0

    @property
    def depth(self) -> int:
        """How many contexts are on this thread's stack."""
        depth: int = getattr(self._contexts, "depth", 0)
        return depth

    def push(self) -> None:
        self._contexts.depth = self.depth + 1

    def pop(self) -> None:
        self.check()
        self._contexts.depth -= 1

    def check(self) -> None:
        if not self.depth:
            raise DriverError("invalid device context")
        self.threads.add(threading.get_ident())

    def handle(self) -> int:
        self._handles += 8
        return self._handles

    def allocate(self, owner: Any, size: int) -> None:
        self.check()
        for stream in self._captured:
            self._broken.add(stream)
            raise DriverError("operation not permitted when stream is capturing")
        self.allocations += 1
        self.live_bytes += size
        weakref.finalize(owner, self._free, size)

    def _free(self, size: int) -> None:
        self.live_bytes -= size

    def do(self, stream: Any, name: str, work: Work) -> None:
        """Do it now or, where the stream is captured, in every launch of the graph."""
        self.check()
        handle = stream if isinstance(stream, int | None) else stream.handle
        if handle in self._captured:
            self._captured[handle].append((name, work))
        else:
            self._run(name, work)

    def _run(self, name: str, work: Work) -> None:
        self.calls.append(name)
        self.clock_ms += 1.0
        work()

    def begin_capture(self, stream: int) -> int:
        self._captured[stream] = []
        return 0

    def end_capture(self, stream: int) -> tuple[int, int]:
        work = self._captured.pop(stream)
        if stream in self._broken:
            self._broken.remove(stream)
            return 901, 0
        graph = self.handle()
        self.graphs[graph] = work
        return 0, graph

    def launch(self, graph: int) -> int:
        self.calls.append("graph")
        for name, work in self.graphs[graph]:
            self._run(name, work)
        return 0

    def record(self, event: int, stream: int, flags: int) -> int:
        captured = stream in self._captured
        timed = flags == 1 if captured else flags == 0

        def note() -> None:
            if timed:
                self.event_times[event] = self.clock_ms

        if captured:
            self._captured[stream].append(("mark", note))
        else:
            note()
        return 0


class LibCuda:
    """The calls of libcuda.so.1 that PyCUDA has no binding for."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.destroyed: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., int]:
        real = self._calls().get(name)
        if real is None:
            raise AttributeError(name)

        def call(*arguments: Any) -> int:
            return 999 if name == self._gpu.refuses else real(*arguments)

        return call

    def _calls(self) -> dict[str, Callable[..., int]]:
        gpu = self._gpu

        def end(stream: Any, graph: Any) -> int:
            status, graph._obj.value = gpu.end_capture(stream.value)
            return status

        def instantiate(executable: Any, graph: Any, flags: Any) -> int:
            executable._obj.value = graph.value
            return 0

        def create_event(event: Any, flags: Any) -> int:
            event._obj.value = gpu.handle()
            return 0

        def elapsed(result: Any, begin: Any, end: Any) -> int:
            if not {begin.value, end.value} <= gpu.event_times.keys():
                return 400
            result._obj.value = gpu.event_times[end.value] - gpu.event_times[begin.value]
            return 0

        def name_error(status: Any, text: Any) -> int:
            names = {901: "operation failed due to a previous error during capture"}
            text._obj.value = names.get(status.value, "unknown error").encode()
            return 0

        def destroy(name: str) -> Callable[..., int]:
            def call(handle: Any) -> int:
                self.destroyed.append(name)
                if name == "cuGraphExecDestroy":
                    del gpu.graphs[handle.value]
                return 0

            return call

        return {
            "cuStreamBeginCapture_v2": lambda stream, mode: gpu.begin_capture(stream.value),
            "cuStreamEndCapture": end,
            "cuGraphInstantiateWithFlags": instantiate,
            "cuGraphLaunch": lambda graph, stream: gpu.launch(graph.value),
            "cuEventCreate": create_event,
            "cuEventRecordWithFlags": lambda event, stream, flags: gpu.record(
                event.value, stream.value, flags.value
            ),
            "cuEventElapsedTime": elapsed,
            "cuGetErrorString": name_error,
            **{
                name: destroy(name)
                for name in ("cuGraphDestroy", "cuGraphExecDestroy", "cuEventDestroy_v2")
            },
        }


def bytes_of(buffer: Any) -> tuple[int, int]:
    if isinstance(buffer, np.ndarray):
        return buffer.ctypes.data, buffer.nbytes
    if hasattr(buffer, "memory"):
        return int(buffer), buffer.memory.nbytes
    return ctypes.addressof(buffer), ctypes.sizeof(buffer)


def copy(target: Any, source: Any) -> None:
    (to, room), (start, size) = bytes_of(target), bytes_of(source)
    ctypes.memmove(to, start, min(room, size))


@pytest.fixture(scope="session")
def launches(on_host: Callable[[str], ctypes.CDLL]) -> dict[str, Any]:
    """By name, the kernels on the host: (address of the plan, blocks, threads at once)."""
    return {
        "edge_mtl_fused_head": on_host("head_on_host.cpp").run_head,
        "edge_mtl_preprocess": on_host("preprocess_on_host.cpp").run_preprocess,
    }


def make_driver(gpu: Gpu, launches: dict[str, Any]) -> ModuleType:
    """`pycuda.driver`, whose modules have the kernels of any file."""

    class Allocation:
        def __init__(self, size: int) -> None:
            gpu.allocate(self, size)
            self.memory = np.full(size, 0xAA, np.uint8)

        def __int__(self) -> int:
            return self.memory.ctypes.data

    class Stream:
        def __init__(self, flags: int = 0) -> None:
            gpu.check()
            self.handle, self.flags = gpu.handle(), flags

        def synchronize(self) -> None:
            gpu.check()

    class Pinned(np.ndarray):
        """What `pagelocked_empty` gives; the true one is an array whose base does this."""

        @property
        def base(self) -> Any:  # type: ignore[override]
            return SimpleNamespace(get_device_pointer=lambda: self.ctypes.data)

    def pagelocked_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> Any:
        array = np.empty(shape, dtype).view(Pinned)
        gpu.allocate(array, 0)
        return array

    def function(name: str) -> Callable[..., None]:
        def launch(
            plan: np.intp, grid: tuple[int, int], block: tuple[int, int, int], stream: Any
        ) -> None:
            assert block[1:] == (1, 1)
            kernel = launches[name]
            gpu.do(
                stream,
                name.removeprefix("edge_mtl_"),
                lambda: kernel(ctypes.c_void_p(int(plan)), grid[0], 2),
            )

        return launch

    def module(data: object) -> Any:
        gpu.check()
        return SimpleNamespace(get_function=function)

    def copying(name: str) -> Callable[..., None]:
        return lambda to, start, stream=None: gpu.do(stream, name, lambda: copy(to, start))

    device = SimpleNamespace(
        name=lambda: "Board",
        compute_capability=lambda: gpu.capability,
        get_attribute=lambda attribute: int(gpu.integrated),
        retain_primary_context=lambda: SimpleNamespace(push=gpu.push),
    )
    fake: Any = ModuleType("pycuda.driver")
    fake.Error, fake.CompileError = DriverError, DriverError
    fake.init, fake.Device = lambda: None, lambda index: device
    fake.Context = SimpleNamespace(synchronize=gpu.check, get_device=lambda: device, pop=gpu.pop)
    fake.device_attribute = SimpleNamespace(
        INTEGRATED=INTEGRATED, CAN_MAP_HOST_MEMORY=CAN_MAP_HOST_MEMORY
    )
    fake.host_alloc_flags = SimpleNamespace(DEVICEMAP=2)
    fake.mem_alloc, fake.pagelocked_empty, fake.Stream = Allocation, pagelocked_empty, Stream
    fake.memcpy_htod, fake.memcpy_htod_async = copying("memcpy_htod"), copying("to GPU")
    fake.memcpy_dtoh_async = copying("to host")
    fake.module_from_file = fake.module_from_buffer = module
    return fake  # type: ignore[no-any-return]


@pytest.fixture
def gpu(launches: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Gpu]:
    """The GPU, with PyCUDA and the driver's library in front of it."""
    double = Gpu()
    compiler: Any = ModuleType("pycuda.compiler")
    package: Any = ModuleType("pycuda")
    package.driver, package.compiler = make_driver(double, launches), compiler
    for name, each in (("", package), (".driver", package.driver), (".compiler", compiler)):
        monkeypatch.setitem(sys.modules, f"pycuda{name}", each)
    library = LibCuda(double)
    for module in (context, cuda_graph):
        monkeypatch.setattr(module, "driver_library", lambda: library)
    double.library = library  # type: ignore[attr-defined]
    package.VERSION_TEXT = "2026.1"
    for cached in (context.pycuda_driver, context._primary_context):
        cached.cache_clear()
    for name in ("fused_head", "preprocess"):
        (tmp_path / f"{name}.fatbin").touch()
        (tmp_path / f"{name}.cu").write_text(f"source of {name}")
    monkeypatch.setattr(kernel_code, "code_folder", lambda: tmp_path)
    # A block of the host has fewer threads.
    monkeypatch.setattr(fused_head, "THREADS", 32)
    yield double
    for cached in (context.pycuda_driver, context._primary_context):
        cached.cache_clear()
