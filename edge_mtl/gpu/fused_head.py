"""Every task of a batch of frames, from raw outputs to results, in one launch."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_mtl.gpu.device_array import address_of
from edge_mtl.gpu.head_layout import HeadLayout
from edge_mtl.gpu.head_plan import HeadPlan
from edge_mtl.gpu.kernel_code import THREADS, load_kernel
from edge_mtl.gpu.pinned_array import PinnedArray
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Scene
from edge_mtl.spec import ModelSpec
from edge_mtl.tensor_spec import TensorSpec


class FusedHead:
    """The head kernel for frames that lie in the network's input in one way.

    It belongs to the CUDA context that is current when it is made. All memory is taken then; a
    launch neither allocates nor waits, and may be captured in a CUDA graph.

    Args:
        spec: the network's tasks.
        tensors: the engine's raw outputs, (N, C, H, W), with the scales of quantised ones.
        placements: where each of the N frames lies in its input.
        mask_size: "frame" or "network", as of `edge_mtl.ops.FusedHead`.

    Raises:
        UsageError: there are more frames or tasks than the kernel takes.
        EdgeMtlError: the kernel cannot be loaded.
    """

    def __init__(
        self,
        spec: ModelSpec,
        tensors: Sequence[TensorSpec],
        placements: Sequence[Placement],
        mask_size: MaskSize,
    ) -> None:
        from pycuda import driver

        self._layout = HeadLayout(spec, tensors, placements, mask_size)
        self._kernel = load_kernel("fused_head")
        scratch = self._layout.first_scratch()
        self._tensors = tensors
        self._plan = driver.mem_alloc(ctypes.sizeof(HeadPlan))
        self._scratch = driver.mem_alloc(max(1, scratch.nbytes))
        # Copied even where the GPU could write to the host: the kernel reads boxes back.
        self._results = PinnedArray((self._layout.result_bytes,), "uint8")
        if scratch.nbytes:
            driver.memcpy_htod(self._scratch, scratch)
        self._blocks = self._layout.blocks(THREADS)

    def bind(self, raw: Mapping[str, Any]) -> None:
        """Say where the raw outputs are: by tensor name, C-contiguous arrays in the GPU's memory.
        They are read by every launch from now on and are not kept alive here. Waits for the GPU.

        Raises:
            UsageError: an array does not fit its tensor.
        """
        from pycuda import driver

        addresses = {
            tensor.name: address_of(raw[tensor.name], tensor.name, tensor.shape, tensor.dtype)
            for tensor in self._tensors
        }
        plan = self._layout.plan(addresses, self._results.address, int(self._scratch))
        driver.Context.synchronize()
        driver.memcpy_htod(self._plan, plan)
        driver.Context.synchronize()  # for streams that do not wait for the default one

    def launch(self, stream: Any) -> None:
        """Have a `pycuda.driver.Stream` compute the results and bring them to the host."""
        self._kernel(
            np.intp(int(self._plan)),
            grid=(self._blocks, 1),
            block=(THREADS, 1, 1),
            stream=stream,
        )
        self._results.to_host(stream)

    def scenes(self) -> list[Scene]:
        """What the last launch saw in each frame, once its stream is done; without time stamps.
        Arrays are their own."""
        return self._layout.scenes(self._results.host.copy())
