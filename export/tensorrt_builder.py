"""Build a TensorRT engine from an explicit Q/DQ graph; one path for `tensorrt` and `tensorrt_rtx`.

The two are the same interface under two names. TensorRT-RTX builds without a GPU, for the compute
capabilities that it is told.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edge_mtl.errors import EdgeMtlError, UsageError


class BuildError(EdgeMtlError):
    """TensorRT refused a graph or could not build it."""


def check_builder(module_name: str, compute_capability: str | None) -> None:
    """Raise what `build_engine` would raise whatever the graph, before work goes into one."""
    _capability(_tensorrt(module_name), compute_capability)


def build_engine(
    network: bytes, module_name: str = "tensorrt_rtx", compute_capability: str | None = None
) -> bytes:
    """The serialised engine of an ONNX graph.

    Args:
        network: the ONNX graph, explicitly quantised or float.
        module_name: "tensorrt" or "tensorrt_rtx".
        compute_capability: such as "8.6", to build ahead of time for that GPU; None for what the
            module builds for by itself.

    Raises:
        BuildError: the module is not installed, its parser refuses the graph (the node is named),
            or the build fails.
        UsageError: the module cannot build for that compute capability.
    """
    trt = _tensorrt(module_name)
    capability = _capability(trt, compute_capability)
    logger = _logger(trt)
    builder = trt.Builder(logger)
    flags = 0
    if hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    definition = builder.create_network(flags)
    parser = trt.OnnxParser(definition, logger)
    if not parser.parse(network):
        reasons = [_reason(parser.get_error(i)) for i in range(parser.num_errors)]
        raise BuildError(f"{module_name} cannot take the graph: {'; '.join(reasons)}")
    config = builder.create_builder_config()
    if capability is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(capability, 0)
    engine = builder.build_serialized_network(definition, config)
    if engine is None:
        raise BuildError(
            f"{module_name} cannot build the engine: {logger.last or 'no reason given'}"
        )
    return bytes(engine)


def _logger(trt: Any) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]
        """Keeps the last error, which the builder itself does not give."""

        def __init__(self) -> None:
            super().__init__()
            self.last = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.last = " ".join(message.split())

    return Logger()


def _reason(error: Any) -> str:
    name, operator = error.node_name(), error.node_operator()
    where = f"node {name} ({operator})" if name else "the graph"
    return f"{where}: {error.code().name}, {' '.join(error.desc().split())}"


def _tensorrt(module_name: str) -> Any:
    try:
        return import_module(module_name)
    except ImportError:
        extra = "tensorrt-rtx" if module_name == "tensorrt_rtx" else "gpu"
        raise BuildError(
            f"building an engine needs {module_name}; pip install 'edge-mtl[{extra}]'"
        ) from None


def _capability(trt: Any, wanted: str | None) -> Any:
    """The module's constant for a compute capability; None where none is wanted."""
    if wanted is None:
        return None
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
