"""TensorRT and TensorRT-RTX: the same interface under two module names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_mtl.bundle import REBUILD, Bundle
from edge_mtl.engine_file import EngineFile, platform_here
from edge_mtl.errors import EdgeMtlError
from edge_mtl.gpu.context import owned_gpu, pycuda_driver
from edge_mtl.gpu.cuda_graph import NON_BLOCKING
from edge_mtl.gpu.pinned_array import PinnedArray
from edge_mtl.runtime.engines import check_edges
from edge_mtl.tensor_spec import TensorSpec
from edge_mtl.tensorrt_log import logger_of


class TensorRtEngine:
    """The engine of a bundle that was built for the module, its version and the GPU at hand.

    What it was built for is compared before it is loaded, and its tensors with the manifest before
    it runs: names, shapes, dtypes, directions. Buffers are allocated once, in the GPU's memory and
    pinned on the host.

    Args:
        name: "tensorrt" or "tensorrt-rtx".
        frames: the most frames that it will get at a time. It makes room for as many where it was
            built for them, for fewer or more where that is all it was built for.

    Raises:
        EdgeMtlError: there is no GPU, the bundle has no engine that fits it and the module, or the
            engine cannot be loaded or is not that of the manifest.
        ModuleNotFoundError: PyCUDA or the module is not installed.
    """

    capturable = True

    def __init__(self, name: str, bundle: Bundle, frames: int = 1) -> None:
        self.name = name
        self._path = bundle.path
        self._trt: Any = import_module(name.replace("-", "_"))
        with owned_gpu():
            driver = pycuda_driver()
            logger, self._messages = logger_of(self._trt)
            self._messages.clear()
            self._runtime: Any = self._trt.Runtime(logger)
            capability = driver.Device(0).compute_capability()
            built, self._engine = self._load(self._trt, bundle, capability)
            manifest = bundle.manifest
            self._least, _, most = sorted(built.batch)
            room = self._room = min(max(frames, self._least), most)
            self.input_tensor = _for_frames(manifest.input, room)
            self.plane_tensors = tuple(_for_frames(each, room) for each in manifest.planes)
            self.output_tensors = tuple(_for_frames(each, room) for each in manifest.outputs)
            self._check(self._trt, bundle, most)
        self._allocate()

    def _allocate(self) -> None:
        """Execution contexts, a stream and buffers."""
        with owned_gpu():
            self._stream: Any = pycuda_driver().Stream(NON_BLOCKING)
            inputs = self.input_tensor, *self.plane_tensors
            self._inputs = {each.name: PinnedArray(each.shape, each.dtype) for each in inputs}
            self._outputs = {
                each.name: PinnedArray(each.shape, each.dtype) for each in self.output_tensors
            }
            # What does not work shows when the engine is opened.
            self._contexts = {n: self._new_context(n) for n in {self._least, self._room}}
        self.on_gpu: Mapping[str, Any] = {**self._inputs, **self._outputs}
        self.image: NDArray[Any] = self._inputs[self.input_tensor.name].host
        self.planes: Mapping[str, NDArray[Any]] = {
            each.name: self._inputs[each.name].host for each in self.plane_tensors
        }
        self.outputs: Mapping[str, NDArray[Any]] = {
            name: array.host for name, array in self._outputs.items()
        }

    def twin(self) -> TensorRtEngine:
        """The same engine with contexts, a stream and buffers of its own."""
        twin = copy.copy(self)
        twin._allocate()
        return twin

    def infer(self, frames: int = 1) -> None:
        """As of `Engine`; all buffers are copied."""
        with owned_gpu():
            self._inputs[self.input_tensor.name].to_gpu(self._stream)
            self.enqueue(self._stream, frames)
            for array in self._outputs.values():
                array.to_host(self._stream)
            self._stream.synchronize()

    def enqueue(self, stream: Any, frames: int = 1) -> None:
        """As of `GpuEngine`. The first call for a number of frames must not be captured: TensorRT
        allocates in it."""
        for tensor in self.plane_tensors:
            self._inputs[tensor.name].to_gpu(stream)
        frames = max(frames, self._least)
        context = self._contexts.get(frames)
        if context is None:
            context = self._contexts[frames] = self._new_context(frames)
        if not context.execute_async_v3(stream.handle):
            raise EdgeMtlError(f"{self.name} cannot run the engine: {self._messages.reason()}")

    def close(self) -> None:
        """Release the network; the buffers are not to be used any more. Twice does no harm."""
        if self._engine is None:
            return
        with owned_gpu():
            self._engine = self._runtime = self._stream = None
            self._contexts, self._inputs, self._outputs = {}, {}, {}
            self.on_gpu = self.planes = self.outputs = {}
            self.image = np.empty(0, self.input_tensor.dtype)

    def _load(
        self, trt: Any, bundle: Bundle, capability: tuple[int, int]
    ) -> tuple[EngineFile, Any]:
        """How the engine was built, and the engine."""
        version = str(trt.__version__)
        name, plan = bundle.engine(trt.__name__, version, capability, platform_here())
        built = bundle.manifest.engines[name]
        core = built.dla
        if core is not None:
            if core >= self._runtime.num_DLA_cores:
                raise EdgeMtlError(
                    f"{bundle.path}: {name} was built for DLA core {core}, found "
                    f"{self._runtime.num_DLA_cores} cores here; {REBUILD.format(path=bundle.path)}"
                )
            self._runtime.DLA_core = core
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise EdgeMtlError(
                f"{bundle.path}: {self.name} {version} cannot load {name} "
                f"({self._messages.reason()}); {REBUILD.format(path=bundle.path)}"
            )
        return built, engine

    def _check(self, trt: Any, bundle: Bundle, most: int) -> None:
        """Compare every tensor of the engine with the manifest, which is of one frame; an engine
        for so many frames at most."""
        engine = self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        network = {name: _described(trt, engine, name, most) for name in names}
        check_edges(self.name, bundle, network)
        directions = {
            **dict.fromkeys(_names(self.input_tensor, *self.plane_tensors), trt.TensorIOMode.INPUT),
            **dict.fromkeys(_names(*self.output_tensors), trt.TensorIOMode.OUTPUT),
        }
        for name in names:
            if directions.get(name) != engine.get_tensor_mode(name):
                raise EdgeMtlError(
                    f"{bundle.path}: expected an engine with the inputs and outputs "
                    f"{', '.join(directions)}, found {', '.join(names)} ({name!r} as "
                    f"{engine.get_tensor_mode(name).name.lower()}); "
                    f"{REBUILD.format(path=bundle.path)}"
                )
            if engine.get_tensor_format(name) != trt.TensorFormat.LINEAR:
                raise EdgeMtlError(
                    f"{bundle.path}: expected tensor {name!r} in rows, found the format "
                    f"{engine.get_tensor_format(name).name}; {REBUILD.format(path=bundle.path)}"
                )

    def _new_context(self, frames: int) -> Any:
        """A context for so many frames: what a graph has captured of one must not be changed, so
        that each number of frames has its own."""
        context = _execution_context(self._trt, self._engine)
        if context is None:
            raise EdgeMtlError(
                f"{self._path}: {self.name} cannot run the engine here: {self._messages.reason()}"
            )
        for tensor in (self.input_tensor, *self.plane_tensors):
            shape = frames, *tensor.shape[1:]
            if not context.set_input_shape(tensor.name, shape):
                raise EdgeMtlError(
                    f"{self._path}: {self.name} does not take tensor {tensor.name!r} as "
                    f"{'x'.join(map(str, shape))} ({self._messages.reason()}); build it for a "
                    f"batch of {frames}: edge-mtl export --rebuild {self._path} --batch {frames}"
                )
        for name, array in {**self._inputs, **self._outputs}.items():
            context.set_tensor_address(name, array.address)
        return context


def _names(*tensors: TensorSpec) -> list[str]:
    return [tensor.name for tensor in tensors]


def _for_frames(tensor: TensorSpec, frames: int) -> TensorSpec:
    return msgspec.structs.replace(tensor, shape=(frames, *tensor.shape[1:]))


def _described(trt: Any, engine: Any, name: str, most: int) -> tuple[tuple[int | None, ...], str]:
    """Shape and type of a tensor, of one frame where the engine is for `most` alone."""
    batch, *rest = (None if size < 0 else size for size in engine.get_tensor_shape(name))
    shape = 1 if batch == most else batch, *rest
    dtype = engine.get_tensor_dtype(name)
    known = {
        trt.DataType.FLOAT: "float32",
        trt.DataType.HALF: "float16",
        trt.DataType.INT8: "int8",
    }
    return shape, known.get(dtype, dtype.name)


def _execution_context(trt: Any, engine: Any) -> Any:
    """A context whose kernels are those that will run, at once.

    TensorRT-RTX compiles kernels for shapes that the engine leaves open in the background, and
    would leave those that stand in for them in a graph that is captured meanwhile.
    """
    strategy = getattr(trt, "DynamicShapesKernelSpecializationStrategy", None)
    if strategy is None:
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = strategy.EAGER
    return engine.create_execution_context(config)
