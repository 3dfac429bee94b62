"""`HostStages`: frames through kernels on the processor and an engine with buffers there."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_mtl.ops import FusedHead, Preprocessor
from edge_mtl.placement import Placement
from edge_mtl.plane_writer import PlaneWriter
from edge_mtl.reference import MaskSize
from edge_mtl.runtime.engines import Engine
from edge_mtl.scene import Scene
from edge_mtl.spec import ModelSpec

_MOST_KERNEL_THREADS = 4
"""A kernel takes tenths of a millisecond, and waking a thread up costs a tenth of one."""


class HostStages:
    """What a pipeline does with frames, on the processor. Arguments are those of `Pipeline`.

    The pictures and the raw outputs are left in the engine's buffers.

    Raises:
        EdgeMtlError: the engine's tensors are not those of the spec.
    """

    def __init__(
        self, spec: ModelSpec, engine: Engine, mask_size: MaskSize, threads: int | None
    ) -> None:
        kernel_threads = min(threads or len(os.sched_getaffinity(0)), _MOST_KERNEL_THREADS)
        self._engine, self._mask_size = engine, mask_size
        self._preprocess = Preprocessor(spec.input, engine.input_tensor, kernel_threads)
        self._write_planes = PlaneWriter(spec, engine.plane_tensors)
        self._head = FusedHead(spec, engine.output_tensors, kernel_threads)

    def __call__(
        self,
        frames: Sequence[NDArray[np.uint8]],
        planes: Sequence[Mapping[str, NDArray[np.uint8]]],
        placements: Sequence[Placement],
    ) -> tuple[list[Scene], dict[str, float]]:
        """What was seen in frames that lie so in the input, and the milliseconds of each stage.

        Raises:
            EdgeMtlError: a plane is missing or does not fit its frame.
        """
        engine = self._engine
        start_ns = time.perf_counter_ns()
        self._preprocess(frames, placements, engine.image)
        for i, placement in enumerate(placements):
            self._write_planes(planes[i], placement, engine.planes, i)
        preprocessed_ns = time.perf_counter_ns()
        engine.infer(len(frames))
        inferred_ns = time.perf_counter_ns()
        scenes = self._head(engine.outputs, placements, self._mask_size)
        done_ns = time.perf_counter_ns()
        return scenes, {
            "preprocess": (preprocessed_ns - start_ns) / 1e6,
            "engine": (inferred_ns - preprocessed_ns) / 1e6,
            "head": (done_ns - inferred_ns) / 1e6,
        }

    def close(self) -> None:
        """Nothing is held beyond memory."""
