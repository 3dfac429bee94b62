"""Build a TensorRT engine from an explicit Q/DQ or float graph: one path for `tensorrt` 8.6 to 11
and `tensorrt_rtx`.

They are the same interface under two names. What differs is looked for on the module, never
derived from its version: strong typing (10, RTX; all that 11 has), the INT8 and FP16 flags of weak
typing (8.6), progress monitors, timing caches, compute capabilities to build for without a GPU
(RTX).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from msgspec import Meta
from numpy.typing import NDArray
from onnx import TensorProto

from edge_mtl.engine_file import EngineFile, platform_here
from edge_mtl.errors import UsageError
from edge_mtl.export.batch import ONE_FRAME, Batch, with_batch
from edge_mtl.export.build_progress import progress_monitor
from edge_mtl.export.half_precision import check_half_precision, half_precision, large_activations
from edge_mtl.export.structured_picture import structured_picture
from edge_mtl.export.tensorrt_graph import BuildError, check_graph
from edge_mtl.machine import gpus
from edge_mtl.tensorrt_log import Messages, logger_of, plain

__all__ = ["BuildError", "BuildOptions", "EngineRequest", "build_engine", "check_builder"]

Module = Literal["tensorrt", "tensorrt_rtx"]


class BuildOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `edge-mtl export --build KEY=VALUE` asks of a builder.

    workspace_mb: the most scratch memory of an engine; None for what the GPU has.
    dla_core: the core of the deep-learning accelerator to run on, layers that it cannot on the GPU.
    version_compatible: a newer TensorRT of the same major version may load the engine.
    hardware: "ampere_plus" for an engine that every GPU from compute capability 8.0 on loads.
    refit: the weights of the engine can be exchanged.
    """

    workspace_mb: Annotated[int, Meta(ge=1)] | None = None
    dla_core: Annotated[int, Meta(ge=0, le=7)] | None = None
    version_compatible: bool = False
    hardware: Literal["same", "ampere_plus"] = "same"
    refit: bool = False


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """Which engine is wanted.

    compute_capabilities: such as ("8.6", "8.9"), to build ahead of time for these GPUs; empty for
        what the module builds for by itself.
    half: what is not INT8 runs in FP16.
    timing_cache: where measured timings are kept for the next build; None for nowhere.
    """

    module: Module = "tensorrt_rtx"
    compute_capabilities: tuple[str, ...] = ()
    half: bool = True
    batch: Batch = ONE_FRAME
    options: BuildOptions = field(default_factory=BuildOptions)
    timing_cache: Path | None = None


def check_builder(request: EngineRequest) -> None:
    """Raise what `build_engine` would raise whatever the graph, before work goes into one."""
    trt = _tensorrt(request.module)
    for each in request.compute_capabilities:
        _capability(trt, each)


def build_engine(
    network: bytes,
    request: EngineRequest,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[bytes, EngineFile]:
    """The serialised engine of an ONNX graph of one frame, and what it was built with.

    Where the module is strongly typed, FP16 is written into the graph and compared with FP32 in
    ONNX Runtime first.

    Args:
        progress: called with how much is done out of how much, where the module tells.

    Raises:
        BuildError: the module is not installed or lacks something asked for, the graph is one that
            TensorRT refuses (the node is named), or the build fails.
        HalfPrecisionError: the graph is another one in FP16.
        UsageError: the module cannot build for a compute capability, or the graph not for the
            batch.
    """
    trt = _tensorrt(request.module)
    capabilities = [_capability(trt, each) for each in request.compute_capabilities]
    try:
        model = onnx.load_from_string(network)
    except DecodeError:
        raise BuildError("TensorRT cannot take the graph: expected an ONNX network") from None
    check_graph(model)
    quantized = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    strong = _is_strongly_typed(trt)
    typed = model
    if request.half and strong:
        example = _example(model)
        typed = half_precision(model, large_activations(model, example))
        check_half_precision(model, typed, example)
    typed = with_batch(typed, request.batch)

    logger, messages = logger_of(trt)
    messages.clear()
    builder = trt.Builder(logger)
    definition = builder.create_network(_creation_flags(trt))
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse(typed.SerializeToString()):
        reasons = [_reason(parser.get_error(i)) for i in range(parser.num_errors)]
        raise BuildError(f"{request.module} cannot take the graph: {'; '.join(reasons)}")
    config = builder.create_builder_config()
    if not strong and request.half:
        config.set_flag(trt.BuilderFlag.FP16)
    if not strong and quantized:
        config.set_flag(trt.BuilderFlag.INT8)
    if capabilities:
        config.num_compute_capabilities = len(capabilities)
        for i, each in enumerate(capabilities):
            config.set_compute_capability(each, i)
    if request.batch.dynamic:
        _add_profile(builder, config, definition, request.batch)
    _set_options(trt, builder, config, request.options)
    _refuse_ignored(request.module, messages)
    cache = _open_cache(config, request.timing_cache)
    monitor = progress_monitor(trt, progress)
    if monitor is not None:
        config.progress_monitor = monitor
    engine = builder.build_serialized_network(definition, config)
    if monitor is not None and monitor.interrupted:
        raise KeyboardInterrupt
    if engine is None:
        raise BuildError(f"{request.module} cannot build the engine: {messages.reason()}")
    if cache is not None and request.timing_cache is not None:
        request.timing_cache.write_bytes(bytes(config.get_timing_cache().serialize()))
    precisions = (["int8"] if quantized else []) + ["fp16" if request.half else "fp32"]
    return bytes(engine), EngineFile(
        module=request.module,
        version=str(trt.__version__),
        platform=platform_here(),
        compute_capabilities=request.compute_capabilities or _here(),
        hardware=request.options.hardware,
        version_compatible=request.options.version_compatible,
        precision="+".join(precisions),
        batch=request.batch,
        network_sha256=hashlib.sha256(network).hexdigest(),
        dla=request.options.dla_core,
    )


def _here() -> tuple[str, ...]:
    """The compute capability of the GPU that TensorRT builds for by itself: the first one."""
    return tuple(".".join(map(str, gpu.compute_capability)) for gpu in gpus()[:1])


def _is_strongly_typed(trt: Any) -> bool:
    """Whether a tensor's type is that which the graph gives it: where it can be asked for, and
    where there are no flags to say otherwise."""
    return hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") or not hasattr(
        trt.BuilderFlag, "FP16"
    )


def _creation_flags(trt: Any) -> int:
    known = trt.NetworkDefinitionCreationFlag
    if hasattr(known, "STRONGLY_TYPED"):
        return 1 << int(known.STRONGLY_TYPED)
    # 8.6 asks for it; later every network has a batch among its dimensions.
    return 1 << int(known.EXPLICIT_BATCH) if hasattr(known, "EXPLICIT_BATCH") else 0


def _add_profile(builder: Any, config: Any, definition: Any, batch: Batch) -> None:
    profile = builder.create_optimization_profile()
    for i in range(definition.num_inputs):
        tensor = definition.get_input(i)
        rest = tuple(tensor.shape)[1:]
        profile.set_shape(tensor.name, *((frames, *rest) for frames in batch))
    config.add_optimization_profile(profile)


def _set_options(trt: Any, builder: Any, config: Any, options: BuildOptions) -> None:
    if options.workspace_mb is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    if options.dla_core is not None:
        if options.dla_core >= builder.num_DLA_cores:
            raise BuildError(
                f"expected DLA core {options.dla_core}, found {builder.num_DLA_cores} cores here; "
                "leave dla_core out, or build on a machine that has it"
            )
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = options.dla_core
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    if options.version_compatible:
        config.set_flag(_flag(trt, "VERSION_COMPATIBLE"))
    if options.refit:
        config.set_flag(_flag(trt, "REFIT"))
    if options.hardware != "same":
        levels = getattr(trt, "HardwareCompatibilityLevel", None)
        if levels is None or hasattr(trt, "ComputeCapability"):
            raise BuildError(
                f"{trt.__name__} {trt.__version__} has no hardware compatibility; name the compute "
                "capabilities to build for instead"
            )
        config.hardware_compatibility_level = levels.AMPERE_PLUS


def _flag(trt: Any, name: str) -> Any:
    if not hasattr(trt.BuilderFlag, name):
        raise BuildError(
            f"{trt.__name__} {trt.__version__} has no {name.lower()}; leave it out of --build"
        )
    return getattr(trt.BuilderFlag, name)


def _refuse_ignored(module: str, messages: Messages) -> None:
    """A builder that warns that it ignores what was asked of it makes another engine."""
    ignored = [plain(each) for each in messages.warnings if "is unsupported in" in each]
    if ignored:
        raise BuildError(f"{module} ignores what was asked: {ignored[0]} Leave it out of --build")


def _open_cache(config: Any, path: Path | None) -> Any:
    """The timing cache that the config uses from now on; None where the module keeps none."""
    if path is None or not hasattr(config, "create_timing_cache"):
        return None
    held = path.read_bytes() if path.exists() else b""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        cache = config.create_timing_cache(held)
        # One of another GPU or version is refused: start afresh.
        if not config.set_timing_cache(cache, False):
            cache = config.create_timing_cache(b"")
            config.set_timing_cache(cache, False)
    # TensorRT-RTX has the calls and says that they do nothing.
    return None if any("no-op" in str(each.message) for each in said) else cache


def _example(model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    """A value for every input: a normalised picture, in steps of 1/40 where it is 8-bit."""
    values: dict[str, NDArray[np.generic]] = {}
    for value in model.graph.input:
        kind = value.type.tensor_type
        shape = (1, *(each.dim_value for each in kind.shape.dim[1:]))
        picture = structured_picture(shape)
        if kind.elem_type == TensorProto.INT8:
            values[value.name] = (picture * 40).round().clip(-128, 127).astype(np.int8)
        else:
            values[value.name] = picture.astype(
                np.float16 if kind.elem_type == TensorProto.FLOAT16 else np.float32
            )
    return values


def _reason(error: Any) -> str:
    name, operator = error.node_name(), error.node_operator()
    where = f"node {name} ({operator})" if name else "the graph"
    return f"{where}: {error.code().name}, {plain(error.desc())}"


def _tensorrt(module_name: str) -> Any:
    try:
        return import_module(module_name)
    except ImportError:
        extra = "tensorrt-rtx" if module_name == "tensorrt_rtx" else "gpu"
        raise BuildError(
            f"building an engine needs {module_name}; pip install 'edge-mtl[{extra}]'"
        ) from None


def _capability(trt: Any, wanted: str) -> Any:
    """The module's constant for a compute capability."""
    constants = getattr(trt, "ComputeCapability", None)
    known = {
        f"{int(name[2:]) // 10}.{int(name[2:]) % 10}": getattr(constants, name)
        for name in dir(constants)
        if name.startswith("SM")
    }
    if wanted not in known:
        names = ", ".join(sorted(known, key=float)) or "only the GPU of this machine"
        raise UsageError(
            f"{trt.__name__} cannot build for compute capability {wanted!r}; it knows {names}"
        )
    return known[wanted]
