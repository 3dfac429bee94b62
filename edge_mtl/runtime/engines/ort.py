"""ONNX Runtime on the CPU."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.engines import check_edges, edge_buffers, refusal

_LOG_FATAL = 4


class OnnxRuntimeEngine:
    """A bundle's network in ONNX Runtime, bound to buffers that are allocated once.

    The threads do not spin while they wait: measured on two cores, spinning gains the network
    nothing and slows the kernels and sinks that run in between down to half their speed. Weights
    that the network holds in float stay so: an optimisation that would round them to 8 bits where
    they stand between quantised activations is off, it costs up to a step of the output's scale
    that nobody measured or asked for.

    Raises:
        EdgeMtlError: ONNX Runtime refuses the network.
    """

    name = "onnxruntime"

    def __init__(self, bundle: Bundle, threads: int | None, count: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Runs of one session that overlap share its threads, and each brings the one it is called
        # in.
        whole = threads or len(os.sched_getaffinity(0))
        options.intra_op_num_threads = max(1, whole // count)
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _LOG_FATAL  # what fails is raised, and reported once
        try:
            self._session: Any = onnxruntime.InferenceSession(
                bundle.network,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["WeightBiasQuantization"],
            )
        except Exception as error:  # its types have no public base class
            raise refusal(self.name, bundle, error) from error
        edges = [*self._session.get_inputs(), *self._session.get_outputs()]
        network = {
            edge.name: (
                tuple(size if isinstance(size, int) else None for size in edge.shape),
                _DTYPES.get(edge.type, edge.type),
            )
            for edge in edges
        }
        check_edges(self.name, bundle, network)
        self.input_tensor = bundle.manifest.input
        self.plane_tensors = bundle.manifest.planes
        self.output_tensors = bundle.manifest.outputs
        expected = [tensor.name for tensor in (self.input_tensor, *self.plane_tensors)]
        found = [edge.name for edge in self._session.get_inputs()]
        if len(found) != len(expected):
            raise EdgeMtlError(
                f"{bundle.path}: expected a network with the inputs {', '.join(expected)}, found "
                f"{', '.join(found)}; export it again"
            )
        self._bind()

    def _bind(self) -> None:
        """Buffers, and the session's way from some to the others."""
        buffers = edge_buffers(self.input_tensor, self.plane_tensors, self.output_tensors)
        self.image: NDArray[Any] = buffers.image
        self.planes: Mapping[str, NDArray[Any]] = buffers.planes
        self.outputs: Mapping[str, NDArray[Any]] = buffers.outputs
        self._binding: Any = self._session.io_binding()
        for name, buffer in {self.input_tensor.name: self.image, **self.planes}.items():
            self._binding.bind_input(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        for name, buffer in self.outputs.items():
            self._binding.bind_output(
                name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data
            )

    def twin(self) -> OnnxRuntimeEngine:
        """The same session on buffers of its own."""
        twin = copy.copy(self)
        twin._bind()
        return twin

    def infer(self, frames: int = 1) -> None:
        """As of `Engine`; of a network that takes several frames, all are computed."""
        self._session.run_with_iobinding(self._binding)

    def close(self) -> None:
        """Release the network; the buffers are not to be used any more. Twice does no harm."""
        self._binding = self._session = None


_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
}
