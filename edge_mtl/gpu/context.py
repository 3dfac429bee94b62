"""Who owns the GPU: one thread of the process at a time."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

from edge_mtl.errors import EdgeMtlError

_owner = threading.RLock()


@contextmanager
def owned_gpu() -> Iterator[None]:
    """Own the GPU while the block runs: other threads wait, and its primary context is current.

    Everything of this package that touches the GPU, freeing included, does so in such a block, in
    whichever thread. The context is the one that PyTorch and TensorRT work in. It is retained once,
    for the life of the process, and between two blocks it is on no thread's stack: PyCUDA frees
    what is left in a thread that never saw the context, or after it is gone, not at all, and aborts
    the process where one ends with a context on its stack. Blocks may be nested.

    Raises:
        EdgeMtlError: there is no GPU or no driver, or the driver reports that a call failed.
        ModuleNotFoundError: PyCUDA is not installed.
    """
    with _owner:
        driver = pycuda_driver()
        try:
            _primary_context().push()
            try:
                yield
            finally:
                driver.Context.pop()
        except driver.Error as error:
            raise EdgeMtlError(
                f"the GPU cannot go on ({' '.join(str(error).split())}): look in nvidia-smi for "
                "its free memory and other programs that use it, then open the model again"
            ) from error


@cache
def pycuda_driver() -> Any:
    """The module `pycuda.driver`, initialised.

    Raises:
        EdgeMtlError: this machine has no driver, the driver finds no GPU, or PyCUDA is broken.
        ModuleNotFoundError: PyCUDA is not installed.
    """
    import pycuda  # that it is not installed is told first

    driver_library()
    driver: Any
    try:
        driver = import_module("pycuda.driver")
    except ImportError as error:
        raise EdgeMtlError(
            f"pycuda {pycuda.VERSION_TEXT} is installed but broken ({error}): reinstall it"
        ) from error
    try:
        driver.init()
    except driver.Error as error:
        raise EdgeMtlError(
            f"expected an NVIDIA GPU, the driver says: {error}; see nvidia-smi, or take an engine "
            "that runs on the processor"
        ) from error
    return driver


@cache
def driver_library() -> Any:
    """The driver itself, libcuda.so.1.

    Its symbols are there for what is loaded later: a PyCUDA that was built where there is no driver
    is not linked with it.

    Raises:
        EdgeMtlError: this machine has no driver.
    """
    try:
        return ctypes.CDLL("libcuda.so.1", mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise EdgeMtlError(
            f"expected an NVIDIA GPU with its driver, found no driver ({error}): install it, or "
            "take an engine that runs on the processor"
        ) from error


@cache
def _primary_context() -> Any:
    from pycuda import driver

    return driver.Device(0).retain_primary_context()
