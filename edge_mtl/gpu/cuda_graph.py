"""`CudaGraph` and `Stopwatch`: what PyCUDA has no binding for, asked of the driver itself."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

from edge_mtl.errors import EdgeMtlError
from edge_mtl.gpu.context import driver_library

# Of cuda.h
NON_BLOCKING = 1  # a stream that does not wait for the default one
_CAPTURE_THREAD_LOCAL = 1
_EVENT_DEFAULT = 0
_RECORD_PLAIN, _RECORD_EXTERNAL = 0, 1

_Handle = ctypes.c_void_p


class GraphError(EdgeMtlError):
    """What a stream is given to do cannot be captured, or the driver refuses the graph."""


class CudaGraph:
    """Work for a stream, captured once and launched as a whole, with one call.

    The mode of capture is that which TensorRT's own tools use, "thread local": a call that cannot
    be part of a graph, such as one that allocates memory, fails instead of being done at once and
    missing in every launch. What other threads do in the meantime does no harm, as long as the
    stream is one that does not wait for the default stream (`NON_BLOCKING`).

    The graph holds addresses: whatever it works on must outlive it.

    Args:
        stream: the handle of the stream.
        enqueue: gives the stream its work. It must have done so before, outside of a capture, for
            libraries to have made what they make at their first call.

    Raises:
        GraphError: the work cannot be captured. The stream can be used as before.
    """

    def __init__(self, stream: int, enqueue: Callable[[], None]) -> None:
        self._stream = _Handle(stream)
        _call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_CAPTURE_THREAD_LOCAL))
        graph, reason = _Handle(), ""
        try:
            enqueue()
        except (
            Exception
        ) as error:  # PyCUDA's and the engine's: whatever it is, the capture must end
            reason = " ".join(str(error).split()) or type(error).__name__
        try:
            _call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
        except GraphError as error:
            raise GraphError(f"no CUDA graph can be made: {reason or error}") from None
        try:
            if reason:
                raise GraphError(f"no CUDA graph can be made: {reason}")
            self._executable = _instantiate(graph)
        finally:
            driver_library().cuGraphDestroy(graph)
        self._destroy = weakref.finalize(
            self, driver_library().cuGraphExecDestroy, self._executable
        )

    def launch(self) -> None:
        """Have the stream do the work once more. Does not wait.

        Raises:
            GraphError: the driver refuses.
        """
        _call("cuGraphLaunch", self._executable, self._stream)

    def close(self) -> None:
        """Destroy the graph, whose work must be done. Twice does no harm."""
        self._destroy()


class Stopwatch:
    """Takes the GPU's time at marks in a stream's work, in every launch of a graph that holds them.

    Args:
        marks: how many.

    Raises:
        GraphError: the driver refuses.
    """

    def __init__(self, marks: int) -> None:
        self._events = [_Handle() for _ in range(marks)]
        for event in self._events:
            _call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(_EVENT_DEFAULT))
            weakref.finalize(self, driver_library().cuEventDestroy_v2, event)

    def mark(self, index: int, stream: int, *, captured: bool = False) -> None:
        """Have the stream note the time when it comes here; `captured` while it is captured.

        Raises:
            GraphError: the driver refuses.
        """
        # Without the flag a captured record orders work, and no time is taken.
        flags = _RECORD_EXTERNAL if captured else _RECORD_PLAIN
        _call("cuEventRecordWithFlags", self._events[index], _Handle(stream), ctypes.c_uint(flags))

    def elapsed_ms(self) -> list[float]:
        """What passed between each mark and the next, once the stream is done.

        Raises:
            GraphError: a mark was never passed.
        """
        times = []
        for begin, end in zip(self._events, self._events[1:], strict=False):
            elapsed = ctypes.c_float()
            _call("cuEventElapsedTime", ctypes.byref(elapsed), begin, end)
            times.append(elapsed.value)
        return times


def _instantiate(graph: ctypes.c_void_p) -> ctypes.c_void_p:
    executable = _Handle()
    if hasattr(driver_library(), "cuGraphInstantiateWithFlags"):  # from CUDA 11.4 on
        flags = ctypes.c_ulonglong(0)
        _call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, flags)
    else:
        nowhere, no_room = _Handle(), ctypes.c_size_t(0)
        _call("cuGraphInstantiate_v2", ctypes.byref(executable), graph, nowhere, nowhere, no_room)
    return executable


def _call(name: str, *arguments: Any) -> None:
    """Call the driver; arguments are of ctypes, so that none is passed as a shorter integer."""
    status = getattr(driver_library(), name)(*arguments)
    if status:
        text = ctypes.c_char_p()
        driver_library().cuGetErrorString(ctypes.c_int(status), ctypes.byref(text))
        said = (text.value or b"an error without a name").decode(errors="replace")
        raise GraphError(f"{name} failed: {said} (CUDA error {status})")
