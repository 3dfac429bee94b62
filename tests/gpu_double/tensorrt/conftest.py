"""TensorRT that is not there: ONNX Runtime runs the network, on the memory of the double GPU."""

from __future__ import annotations

import ctypes
import enum
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.engine_file import EngineFile, platform_here


class DataType(enum.Enum):
    FLOAT, HALF, INT8, BOOL = range(4)


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class TensorFormat(enum.Enum):
    LINEAR, CHW4 = range(2)


_KINDS = {
    "tensor(float)": (np.float32, DataType.FLOAT),
    "tensor(float16)": (np.float16, DataType.HALF),
    "tensor(bool)": (np.bool_, DataType.BOOL),
}


class CudaEngine:
    """An engine whose plan is the ONNX network itself."""

    def __init__(self, gpu: Any, plan: bytes) -> None:
        import onnxruntime

        gpu.allocate(self, len(plan))
        self.gpu = gpu
        self.session = onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"])
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        self.edges = {edge.name: edge for edge in [*inputs, *outputs]}
        self._inputs = {edge.name for edge in inputs}
        self.num_io_tensors = len(self.edges)
        self.formats: dict[str, TensorFormat] = {}

    def get_tensor_name(self, index: int) -> str:
        return list(self.edges)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(size if isinstance(size, int) else -1 for size in self.edges[name].shape)

    def get_tensor_dtype(self, name: str) -> DataType:
        return _KINDS[self.edges[name].type][1]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_format(self, name: str) -> TensorFormat:
        return self.formats.get(name, TensorFormat.LINEAR)

    def create_execution_context(self) -> ExecutionContext:
        return ExecutionContext(self)


class ExecutionContext:
    def __init__(self, engine: CudaEngine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        self._engine.gpu.do(stream, "engine", self._run)
        return True

    def _run(self) -> None:
        session = self._engine.session
        given = {each.name: self._array(each.name) for each in session.get_inputs()}
        names = [each.name for each in session.get_outputs()]
        for name, result in zip(names, session.run(names, given), strict=True):
            self._shapes[name] = result.shape
            self._array(name)[...] = result

    def _array(self, name: str) -> NDArray[Any]:
        dtype = np.dtype(_KINDS[self._engine.edges[name].type][0])
        shape = self._shapes[name]
        room = (ctypes.c_uint8 * (int(np.prod(shape)) * dtype.itemsize)).from_address(
            self._addresses[name]
        )
        return np.frombuffer(room, dtype).reshape(shape)


@pytest.fixture
def trt(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `tensorrt` 10.3, which says in its log why it cannot load what is no plan."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime computes what the engine would")
    fake: Any = ModuleType("tensorrt")

    class Logger:
        ERROR, INTERNAL_ERROR, WARNING = "error", "internal error", "warning"

        def log(self, severity: str, message: str) -> None:
            raise AssertionError("a logger overrides this")

    class Runtime:
        num_DLA_cores = 0  # noqa: N815 - TensorRT's name

        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, plan: bytes) -> CudaEngine | None:
            if plan == b"truncated":
                self._logger.log(Logger.ERROR, "Error Code 1: the magic tag does not match")
                return None
            return CudaEngine(gpu, plan)

    fake.__version__ = "10.3.0"
    fake.ILogger, fake.Runtime, fake.IExecutionContext = Logger, Runtime, ExecutionContext
    fake.DataType, fake.TensorIOMode, fake.TensorFormat = DataType, TensorIOMode, TensorFormat
    monkeypatch.setitem(sys.modules, "tensorrt", fake)
    return fake


@pytest.fixture
def as_built() -> Callable[..., Bundle]:
    """The bundle with an engine for the GPU of these tests: `as_built(bundle, plan, changes)`."""

    def build(bundle: Bundle, plan: bytes | None = None, **changes: Any) -> Bundle:
        built = EngineFile(
            module="tensorrt",
            version="10.3.0.26",
            platform=platform_here(),
            compute_capabilities=("8.7",),
            precision="fp16",
            network_sha256="0" * 64,
        )
        engines = {"orin.engine": msgspec.structs.replace(built, **changes)}
        manifest = msgspec.structs.replace(bundle.manifest, target="tensorrt", engines=engines)
        files = {**bundle.files, "orin.engine": plan or bundle.network}
        return Bundle(bundle.path, manifest, files)

    return build
