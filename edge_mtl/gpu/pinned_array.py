"""`PinnedArray`: an array of the host with its twin in the GPU's memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class PinnedArray:
    """An array that host and GPU both work on, allocated once, in the CUDA context that is current.

    On a GPU with memory of its own there are two, and `to_gpu` and `to_host` copy from one to the
    other, from and to pinned memory: neither waits, and a CUDA graph may hold them. Where host and
    GPU share their memory, as on a Jetson, what the GPU reads once in each frame is asked for as
    one array that both see, `read_once`, and nothing is copied. What it reads more often is better
    copied there too: its caches pass by pinned memory (NVIDIA, CUDA for Tegra, "Memory types").

    host: all zero at first.
    address: in the GPU's memory.
    shared: whether both are one.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str, *, read_once: bool = False) -> None:
        from pycuda import driver

        self.shared = read_once and shares_memory()
        flags = driver.host_alloc_flags.DEVICEMAP if self.shared else 0
        self.host: NDArray[Any] = driver.pagelocked_empty(shape, np.dtype(dtype), mem_flags=flags)
        self.host.fill(0)
        self._device: Any = None
        if self.shared:
            self.address = int(self.host.base.get_device_pointer())
        else:
            self._device = driver.mem_alloc(max(1, self.host.nbytes))
            self.address = int(self._device)
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": self.host.dtype.str,
            "data": (self.address, False),
            "strides": None,
            "version": 3,
        }

    def to_gpu(self, stream: Any) -> None:
        """Have a `pycuda.driver.Stream` bring what the host wrote to the GPU."""
        from pycuda import driver

        if not self.shared:
            driver.memcpy_htod_async(self._device, self.host, stream)

    def to_host(self, stream: Any) -> None:
        """Have a `pycuda.driver.Stream` bring what the GPU wrote to the host."""
        from pycuda import driver

        if not self.shared:
            driver.memcpy_dtoh_async(self.host, self._device, stream)


def shares_memory() -> bool:
    """Whether the GPU of the current context works in the host's memory, and can be shown it."""
    from pycuda import driver

    device, attribute = driver.Context.get_device(), driver.device_attribute
    return bool(
        device.get_attribute(attribute.INTEGRATED)
        and device.get_attribute(attribute.CAN_MAP_HOST_MEMORY)
    )
