"""`TorchEngine`: a network in torch behind the runtime's `Engine` protocol.

With it a checkpoint runs through the same preprocessing and head kernels as a deployed bundle, so
that what is measured of the two differs by the network's arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_mtl.spec import ModelSpec


class TorchEngine:
    """Runs `network` on its own device, one picture at a time, in float32.

    network: in evaluation mode; called with a picture, and with planes by name where `spec` has
        some; its outputs are those of `spec`, by name.
    threads: how many torch may compute with, in the whole process; None leaves that as it is.
    """

    name = "torch"

    def __init__(self, network: nn.Module, spec: ModelSpec, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._network = network
        self._device = next(network.parameters()).device
        self.input_tensor = spec.input_tensor
        self.plane_tensors = spec.plane_tensors
        self.output_tensors = spec.output_tensors
        self.image: NDArray[Any] = np.zeros(self.input_tensor.shape, np.float32)
        self.planes: Mapping[str, NDArray[Any]] = {
            tensor.name: np.zeros(tensor.shape, np.float32) for tensor in self.plane_tensors
        }
        self.outputs: Mapping[str, NDArray[Any]] = {
            tensor.name: np.zeros(tensor.shape, np.float32) for tensor in self.output_tensors
        }

    @torch.inference_mode()
    def infer(self, frames: int = 1) -> None:
        """As of `Engine`; it takes one frame."""
        raw = self._run(torch.from_numpy(self.image).to(self._device))
        for name, buffer in self.outputs.items():
            torch.from_numpy(buffer).copy_(raw[name])

    def _run(self, image: Tensor) -> dict[str, Tensor]:
        """The raw outputs for a picture on the network's device and for `planes`."""
        # Channels last, as in training: the layout that convolutions on a CPU are fastest in.
        picture = image.to(memory_format=torch.channels_last)
        planes = {
            name: torch.from_numpy(buffer).to(self._device) for name, buffer in self.planes.items()
        }
        raw: dict[str, Tensor] = (
            self._network(picture, planes) if planes else self._network(picture)
        )
        return raw

    def close(self) -> None:
        """Nothing is held beyond the network itself."""
