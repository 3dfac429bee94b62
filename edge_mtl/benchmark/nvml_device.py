"""The GPU that the engines use, as NVIDIA's management library (NVML) knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_mtl.benchmark.sensors import SensorError
from edge_mtl.extras import explain
from edge_mtl.machine import gpu_bus_address


@dataclass(frozen=True, slots=True)
class NvmlDevice:
    """CUDA's device 0, which every engine here uses.

    NVML counts all GPUs of the machine, in another order than CUDA and whatever
    CUDA_VISIBLE_DEVICES says, so the device is found by its address on the PCI bus. Of a GPU that
    is divided (MIG), NVML tells about the whole.

    nvml: the module `pynvml`, initialised. handle: the device, for its functions.
    """

    nvml: Any
    handle: Any
    name: str

    @classmethod
    def open(cls) -> NvmlDevice:
        """Initialise NVML.

        Raises:
            SensorError: no GPU, no driver, no `pynvml`, or NVML does not know the GPU.
        """
        address = gpu_bus_address()
        if address is None:
            raise SensorError("NVML: no NVIDIA GPU, or no driver")
        try:
            import pynvml
        except ImportError as error:
            raise SensorError(f"NVML: {explain(error)}") from None
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise SensorError(f"NVML: {error}") from None
        try:
            handle = pynvml.nvmlDeviceGetHandleByPciBusId(address)
            return cls(pynvml, handle, str(pynvml.nvmlDeviceGetName(handle)))
        except pynvml.NVMLError as error:
            pynvml.nvmlShutdown()
            raise SensorError(f"NVML: the GPU at {address}: {error}") from None

    def close(self) -> None:
        """Leave NVML, which counts how often it was initialised."""
        self.nvml.nvmlShutdown()
