"""`TorchGpuEngine`: a network in torch on a GPU, between kernels that are there too."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from edge_mtl.network.engine import TorchEngine
from edge_mtl.spec import ModelSpec


class TorchGpuEngine(TorchEngine):
    """As `TorchEngine`, and as `edge_mtl.runtime.engines.GpuEngine`: a pipeline leaves the picture
    and the raw outputs in the GPU's memory. For development, where there is no TensorRT.

    It is launched call by call: what torch allocates on the way, no graph of others can hold.

    network: on the first GPU, in evaluation mode.
    """

    capturable = False

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__(network, spec)
        self.on_gpu: Mapping[str, Any] = {
            tensor.name: torch.zeros(tensor.shape, device=self._device)
            for tensor in (self.input_tensor, *self.output_tensors)
        }
        torch.cuda.synchronize()

    @torch.inference_mode()
    def enqueue(self, stream: Any, frames: int = 1) -> None:
        """As of `GpuEngine`; it takes one frame."""
        ours = torch.cuda.ExternalStream(stream.handle)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(ours):
            raw = self._run(self.on_gpu[self.input_tensor.name])
            for tensor in self.output_tensors:
                self.on_gpu[tensor.name].copy_(raw[tensor.name])


def torch_engine(network: nn.Module, spec: ModelSpec, threads: int | None) -> TorchEngine:
    """The engine for a network on this machine: on a GPU that torch has, and in its memory where
    PyCUDA can launch the kernels there; else on the processor, with so many threads."""
    if not torch.cuda.is_available():
        return TorchEngine(network, spec, threads)
    if find_spec("pycuda") is None:
        return TorchEngine(network.cuda(), spec, threads)
    return TorchGpuEngine(network.cuda(), spec)
