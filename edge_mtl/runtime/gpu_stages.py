"""`GpuStages`: frames through kernels and an engine that stay in the GPU's memory."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl import ops
from edge_mtl.gpu import FusedHead, Preprocessor
from edge_mtl.gpu.context import owned_gpu, pycuda_driver
from edge_mtl.gpu.cuda_graph import NON_BLOCKING, CudaGraph, GraphError, Stopwatch
from edge_mtl.placement import Placement
from edge_mtl.plane_writer import PlaneWriter
from edge_mtl.reference import MaskSize
from edge_mtl.runtime.engines import GpuEngine
from edge_mtl.scene import Scene
from edge_mtl.spec import ModelSpec

_log = logging.getLogger(__name__)

_MOST_WORKS = 16


class GpuStages:
    """What a pipeline does with frames, on the GPU. Arguments are those of `Pipeline`.

    The host copies the frames to where the GPU fetches them, launches one CUDA graph, waits, and
    copies the results: preprocessing, engine and head go without it. All memory is taken for the
    sizes of a batch of frames, when the first of such sizes comes, and the graph captured then.
    The last sizes are kept: as many as there are batches of the engine's number of cameras, 16 at
    most. Where no graph can be made, which is said once in the log, the same calls are made for
    every frame.

    Raises:
        EdgeMtlError: the engine's tensors are not those of the spec, the kernels cannot be loaded,
            or the GPU fails.
        UsageError: a task is larger than the head kernel takes.
    """

    def __init__(self, spec: ModelSpec, engine: GpuEngine, mask_size: MaskSize) -> None:
        ops.check_tensors(spec, engine.input_tensor, engine.output_tensors)
        self._spec, self._engine, self._mask_size = spec, engine, mask_size
        self._write_planes = PlaneWriter(spec, engine.plane_tensors)
        self._captures = engine.capturable
        # By the sizes of a batch, the last one behind.
        self._works: dict[tuple[Placement, ...], _Work] = {}
        self._most_works = min(2 ** engine.input_tensor.shape[0] - 1, _MOST_WORKS)
        with owned_gpu():
            self._stream: Any = pycuda_driver().Stream(NON_BLOCKING)
            # What does not work shows when the pipeline is opened.
            self._prepared((Placement.fit(spec.input.size, spec.input),))

    def __call__(
        self,
        frames: Sequence[NDArray[np.uint8]],
        planes: Sequence[Mapping[str, NDArray[np.uint8]]],
        placements: Sequence[Placement],
    ) -> tuple[list[Scene], dict[str, float]]:
        """What was seen in frames that lie so in the input, and the milliseconds of each stage.

        They add up to what the call took. Preprocessing and head are what the GPU noted, with the
        host's copies before and after; the rest, launching and waiting in it, is the engine's.

        Raises:
            EdgeMtlError: a plane is missing or does not fit its frame, or the GPU fails.
        """
        start_ns = time.perf_counter_ns()
        with owned_gpu():
            for i, placement in enumerate(placements):
                self._write_planes(planes[i], placement, self._engine.planes, i)
            work = self._prepared(tuple(placements))
            work.preprocess.stage(frames)
            staged_ns = time.perf_counter_ns()
            work.launch()
            self._stream.synchronize()
            computed_ns = time.perf_counter_ns()
            preprocess_ms, _, head_ms = work.times.elapsed_ms()
            scenes = work.head.scenes()
        done_ns = time.perf_counter_ns()
        preprocess_ms += (staged_ns - start_ns) / 1e6
        head_ms += (done_ns - computed_ns) / 1e6
        engine_ms = (done_ns - start_ns) / 1e6 - preprocess_ms - head_ms
        return scenes, {"preprocess": preprocess_ms, "engine": engine_ms, "head": head_ms}

    def close(self) -> None:
        """Release the GPU's memory. Twice does no harm."""
        if self._stream is None:
            return
        with owned_gpu():
            for work in self._works.values():
                work.close()
            self._works.clear()
            self._stream = None

    def _prepared(self, placements: tuple[Placement, ...]) -> _Work:
        """The work on frames that lie so: what is there, or new, in the place of the one that has
        not been done for longest."""
        work = self._works.pop(placements, None)
        if work is None:
            if len(self._works) == self._most_works:  # before new memory is asked for
                self._works.pop(next(iter(self._works))).close()
            work = self._make(placements)
        self._works[placements] = work
        return work

    def _make(self, placements: tuple[Placement, ...]) -> _Work:
        work = _Work(self._spec, self._engine, self._mask_size, placements, self._stream)
        if self._captures:
            try:
                work.capture()
            except GraphError as error:
                self._captures = False
                _log.warning("%s; every frame is launched call by call", error)
        return work


class _Work:
    """Everything for a batch of frames of such sizes, on one stream, done once without a graph."""

    def __init__(
        self,
        spec: ModelSpec,
        engine: GpuEngine,
        mask_size: MaskSize,
        placements: Sequence[Placement],
        stream: Any,
    ) -> None:
        on_gpu, tensor = engine.on_gpu, engine.input_tensor
        self.times = Stopwatch(4)
        self.preprocess = Preprocessor(spec.input, tensor, placements, on_gpu[tensor.name])
        self.head = FusedHead(spec, engine.output_tensors, placements, mask_size)
        self.head.bind(on_gpu)
        self._engine, self._stream, self._frames = engine, stream, len(placements)
        self._graph: CudaGraph | None = None
        self.launch()
        stream.synchronize()

    def capture(self) -> None:
        """Have `launch` do all at once from now on. Raises GraphError where that cannot be."""
        self._graph = CudaGraph(self._stream.handle, lambda: self._enqueue(captured=True))

    def launch(self) -> None:
        """Give the stream the work for the frames that were staged last. Does not wait."""
        if self._graph is not None:
            self._graph.launch()
        else:
            self._enqueue(captured=False)

    def _enqueue(self, captured: bool) -> None:
        def mark(index: int) -> None:
            self.times.mark(index, self._stream.handle, captured=captured)

        mark(0)
        self.preprocess.launch(self._stream)
        mark(1)
        self._engine.enqueue(self._stream, self._frames)
        mark(2)
        self.head.launch(self._stream)
        mark(3)

    def close(self) -> None:
        if self._graph is not None:
            self._graph.close()
            self._graph = None
