"""Engines behind one protocol; adding one is a file here and a row in `ENGINES`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.extras import EXTRA_OF, install_command
from edge_mtl.tensor_spec import TensorSpec

# OpenVINO tells Google Analytics of its use when it is imported, and asks nobody. Where its package
# for that cannot be imported, it takes a stub of its own.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


class Engine(Protocol):
    """A network that runs. Its buffers are allocated once, when it opens, for N frames at a time.

    name: such as "onnxruntime".
    image: the input buffer, (N, 3, H, W); the pipeline writes the next pictures into it.
    planes: by name, the input buffers beside it, (N, 1, H, W); empty where there are none.
    outputs: by name, the raw output buffers; they hold the last result until the next `infer`.
    input_tensor, plane_tensors, output_tensors: shape, dtype, scale and zero point of these
        buffers.
    """

    name: str
    image: NDArray[Any]
    input_tensor: TensorSpec
    planes: Mapping[str, NDArray[Any]]
    plane_tensors: tuple[TensorSpec, ...]
    outputs: Mapping[str, NDArray[Any]]
    output_tensors: tuple[TensorSpec, ...]

    def infer(self, frames: int = 1) -> None:
        """Run the network from the first so many of `image` and `planes` to those of `outputs`.
        The others are left, or of no meaning. Releases the interpreter lock."""

    def close(self) -> None:
        """Release the network; the buffers are not to be used any more. Twice does no harm."""


@runtime_checkable
class GpuEngine(Engine, Protocol):
    """An engine whose network runs on a GPU, and which can stay there: `infer` is a way with copies
    for those who want host arrays.

    on_gpu: by name, the picture and the raw outputs as arrays with `__cuda_array_interface__`,
        which stay where they are.
    capturable: whether `enqueue` may be captured in a CUDA graph.
    """

    on_gpu: Mapping[str, Any]
    capturable: bool

    def enqueue(self, stream: Any, frames: int = 1) -> None:
        """Have a `pycuda.driver.Stream` bring `planes` to the GPU and run the network from the
        first so many pictures in `on_gpu` to the raw outputs there. Does not wait; the GPU is owned
        (`edge_mtl.gpu.context.owned_gpu`)."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How engines are opened.

    threads: how many may compute; None for all that can be used. They are shared out.
    count: how many engines, each with buffers of its own, that may run at once in a thread each.
        More give more frames a second and take longer for each.
    frames: the most that an engine gets at a time. It may take fewer, or more: what it was built
        for (`export --batch`), and on a processor what the network was made for, one.
        `input_tensor.shape[0]` says how many.
    remember: keep what was found out for the next time, in the user's cache folder: which engine is
        the fastest, and what OpenVINO compiled.
    """

    threads: int | None = None
    count: int = 1
    frames: int = 1
    remember: bool = False


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """A row of `ENGINES`.

    module: what must be importable; its distribution on PyPI has the same name.
    extra: the extra of edge-mtl that installs it.
    open: makes the engines of a bundle.
    built: it runs an engine that the module built for this GPU, not the network itself.
    """

    module: str
    extra: str
    open: Callable[[Bundle, Opening], list[Engine]]
    built: bool = False

    def suits(self, bundle: Bundle) -> bool:
        """Whether the bundle has, or was made to have, what this engine runs."""
        manifest = bundle.manifest
        modules = {each.module for each in manifest.engines.values()}
        return not self.built or self.module in {manifest.target.replace("-", "_"), *modules}


def _open_onnxruntime(bundle: Bundle, how: Opening) -> list[Engine]:
    from edge_mtl.runtime.engines.ort import OnnxRuntimeEngine

    first = OnnxRuntimeEngine(bundle, how.threads, how.count)
    return [first, *(first.twin() for _ in range(1, how.count))]


def _open_openvino(bundle: Bundle, how: Opening) -> list[Engine]:
    from edge_mtl.runtime.engines.ov import OpenVinoEngine

    first = OpenVinoEngine(bundle, how.threads, how.count, how.remember)
    return [first, *(first.twin() for _ in range(1, how.count))]


def _open_tensorrt(bundle: Bundle, how: Opening) -> list[Engine]:
    from edge_mtl.runtime.engines.trt import TensorRtEngine

    first = TensorRtEngine("tensorrt", bundle, how.frames)
    return [first, *(first.twin() for _ in range(1, how.count))]


def _open_tensorrt_rtx(bundle: Bundle, how: Opening) -> list[Engine]:
    from edge_mtl.runtime.engines.trt import TensorRtEngine

    first = TensorRtEngine("tensorrt-rtx", bundle, how.frames)
    return [first, *(first.twin() for _ in range(1, how.count))]


ENGINES: Mapping[str, EngineEntry] = {
    "onnxruntime": EngineEntry("onnxruntime", "cpu", _open_onnxruntime),
    "openvino": EngineEntry("openvino", "cpu", _open_openvino),
    "tensorrt": EngineEntry("tensorrt", "gpu", _open_tensorrt, built=True),
    "tensorrt-rtx": EngineEntry("tensorrt_rtx", "tensorrt-rtx", _open_tensorrt_rtx, built=True),
}


def open_engine(name: str, bundle: Bundle, threads: int | None = None) -> Engine:
    """One engine; arguments and errors as of `open_engines`."""
    [engine] = open_engines(name, bundle, Opening(threads))
    return engine


def open_engines(name: str, bundle: Bundle, how: Opening) -> list[Engine]:
    """Open a bundle's network in an engine, once, with buffers for several threads, and run it, so
    that it is known to work and warm. Each of the engines is to be closed.

    Args:
        name: a name in `ENGINES`, or "auto" for the one that runs this network fastest among those
            that are installed.
        bundle: the network and what its tensors mean.

    Raises:
        UsageError: no engine has that name, or the threads are below 1.
        EdgeMtlError: the engine is not installed, or it refuses the network.
    """
    if how.threads is not None and how.threads < 1:
        raise UsageError(
            f"expected at least 1 thread, found {how.threads}; leave it out for all cores"
        )
    if name == "auto":
        from edge_mtl.runtime.engines.fastest import open_fastest

        return open_fastest(bundle, how)
    if name not in ENGINES:
        raise UsageError(
            f"no engine is called {name!r}; these are known: auto, {', '.join(ENGINES)}"
        )
    try:
        return open_warm(name, bundle, how)
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        remedy = install_command(missing if missing in EXTRA_OF else ENGINES[name].module)
        raise EdgeMtlError(f"the engine {name} is not installed ({error}): {remedy}") from error


def open_warm(name: str, bundle: Bundle, how: Opening) -> list[Engine]:
    """The engines of a row of `ENGINES`, of which each has run.

    Raises:
        ImportError: it is not installed.
        EdgeMtlError: it refuses the network.
    """
    engines = ENGINES[name].open(bundle, how)
    try:
        for engine in engines:
            engine.image.fill(0)
            engine.infer()
    except Exception as error:  # every engine raises types of its own
        close_all(engines)
        raise refusal(name, bundle, error) from error
    return engines


def close_all(engines: Iterable[Engine]) -> None:
    """Close each of them."""
    for engine in engines:
        engine.close()


def refusal(name: str, bundle: Bundle, error: Exception) -> EdgeMtlError:
    """The error for a network that an engine cannot load or run, with the engine's reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[-1] if lines else type(error).__name__
    others = " or ".join(
        f"--engine {other}"
        for other, entry in ENGINES.items()
        if other != name and entry.suits(bundle)
    )
    return EdgeMtlError(
        f"{bundle.path}: {name} refuses the network ({reason}); try {others}, or export it again"
    )


@dataclass(frozen=True, slots=True)
class EdgeBuffers:
    """The buffers of an `Engine`."""

    image: NDArray[Any]
    planes: dict[str, NDArray[Any]]
    outputs: dict[str, NDArray[Any]]


def check_edges(
    name: str, bundle: Bundle, network: Mapping[str, tuple[tuple[int | None, ...], str]]
) -> None:
    """Compare the tensors that the manifest describes with those of the network.

    Args:
        name: the engine's, for messages.
        bundle: its manifest names the tensors at the network's edges.
        network: by name, the shape (None where it is free) and dtype of the tensors that the
            network itself declares.

    Raises:
        EdgeMtlError: the network has no such tensor, or one of another shape or dtype: an engine
            would read or write past the buffer.
    """
    manifest = bundle.manifest
    for tensor in (manifest.input, *manifest.planes, *manifest.outputs):
        if tensor.name not in network:
            raise EdgeMtlError(
                f"{bundle.path}: {name} finds no tensor {tensor.name!r} in the network, which has "
                f"{', '.join(network)}; export it again"
            )
        shape, dtype = network[tensor.name]
        fits = len(shape) == len(tensor.shape) and all(
            found is None or found == expected
            for found, expected in zip(shape, tensor.shape, strict=True)
        )
        if not fits or dtype != tensor.dtype:
            found = "x".join("?" if size is None else str(size) for size in shape)
            raise EdgeMtlError(
                f"{bundle.path}: expected tensor {tensor.name!r} to be {tensor.dtype} "
                f"{'x'.join(map(str, tensor.shape))}, the network has {dtype} {found}; "
                "export it again"
            )


def edge_buffers(
    image: TensorSpec, planes: Iterable[TensorSpec], outputs: Iterable[TensorSpec]
) -> EdgeBuffers:
    """Allocate the input and output buffers of a network, all zero."""

    def empty(tensor: TensorSpec) -> NDArray[Any]:
        return np.zeros(tensor.shape, tensor.dtype)

    return EdgeBuffers(
        empty(image),
        {tensor.name: empty(tensor) for tensor in planes},
        {tensor.name: empty(tensor) for tensor in outputs},
    )
