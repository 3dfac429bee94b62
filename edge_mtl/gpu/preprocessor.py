"""Camera frames to the engine's input, for a batch of them, in one launch."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.errors import UsageError
from edge_mtl.gpu.device_array import address_of
from edge_mtl.gpu.input_plan import InputPlan, input_blocks, plan_input
from edge_mtl.gpu.kernel_code import THREADS, load_kernel
from edge_mtl.gpu.pinned_array import PinnedArray
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tensor_spec import TensorSpec


class Preprocessor:
    """The preprocessing kernel for cameras whose frames keep their sizes.

    It belongs to the CUDA context that is current when it is made. All memory is taken then; a
    launch neither allocates nor waits, and may be captured in a CUDA graph.

    Args:
        network_input: the network's input.
        tensor: the engine's input, (N, 3, height, width).
        placements: where each of the N frames lies in it.
        out: the engine's input, a C-contiguous array in the GPU's memory; not kept alive here.

    Raises:
        UsageError: there are more frames than the kernel takes, or `out` does not fit the tensor.
        EdgeMtlError: the kernel cannot be loaded.
    """

    def __init__(
        self,
        network_input: InputSpec,
        tensor: TensorSpec,
        placements: Sequence[Placement],
        out: Any,
    ) -> None:
        from pycuda import driver

        self._input, self._tensor, self._placements = network_input, tensor, placements
        self._out = address_of(out, tensor.name, tensor.shape, tensor.dtype)
        self._kernel = load_kernel("preprocess")
        self._blocks = input_blocks(network_input, len(placements))
        self._shapes = [(height, width, 3) for width, height in (p.frame_size for p in placements)]
        sizes = [prod(shape) for shape in self._shapes]
        self._starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self._frames = PinnedArray((sum(sizes),), "uint8", read_once=True)
        table = reference.pixel_table(network_input, tensor)
        self._table = driver.mem_alloc(table.nbytes)
        driver.memcpy_htod(self._table, np.ascontiguousarray(table))
        self._plan = driver.mem_alloc(ctypes.sizeof(InputPlan))
        self._copies = True
        self._read_from([self._frames.address + start for start in self._starts])

    def stage(self, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Copy (H, W, 3) uint8 BGR frames, one of each camera, to where the next launch fetches
        them. The launch before must be done.

        Raises:
            UsageError: the frames are not those of the placements.
        """
        found = [frame.shape for frame in frames]
        if found != self._shapes:
            raise UsageError(f"expected frames of the shapes {self._shapes}, found {found}")
        for start, frame in zip(self._starts, frames, strict=True):
            np.copyto(self._frames.host[start : start + frame.size].reshape(frame.shape), frame)
        if not self._copies:
            self._copies = True
            self._read_from([self._frames.address + start for start in self._starts])

    def bind(self, frames: Sequence[Any]) -> None:
        """Have every launch from now on read frames that are in the GPU's memory already: one of
        each camera, C-contiguous (H, W, 3) uint8 BGR. They are not kept alive here. Waits for the
        GPU.

        Raises:
            UsageError: the frames are not those of the placements, or not in the GPU's memory.
        """
        if len(frames) != len(self._shapes):
            raise UsageError(f"expected {len(self._shapes)} frames, found {len(frames)}")
        addresses = [
            address_of(frame, f"frame {i}", shape, "uint8")
            for i, (frame, shape) in enumerate(zip(frames, self._shapes, strict=True))
        ]
        self._copies = False
        self._read_from(addresses)

    def _read_from(self, addresses: Sequence[int]) -> None:
        from pycuda import driver

        plan = plan_input(
            self._input,
            self._tensor,
            self._placements,
            addresses,
            [3 * width for _, width, _ in self._shapes],
            int(self._table),
            self._out,
        )
        driver.Context.synchronize()
        driver.memcpy_htod(self._plan, plan)
        driver.Context.synchronize()  # for streams that do not wait for the default one

    def launch(self, stream: Any) -> None:
        """Have a `pycuda.driver.Stream` fetch the staged frames and make the engine's input."""
        if self._copies:
            self._frames.to_gpu(stream)
        self._kernel(
            np.intp(int(self._plan)),
            grid=(self._blocks, 1),
            block=(THREADS, 1, 1),
            stream=stream,
        )
