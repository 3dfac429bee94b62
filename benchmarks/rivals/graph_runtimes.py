"""An ONNX graph of several inputs and outputs, run by ONNX Runtime or OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import onnx
from numpy.typing import NDArray

Infer: TypeAlias = Callable[[Mapping[str, NDArray[Any]]], dict[str, NDArray[Any]]]
"""From arrays by name to arrays by name."""


def open_graph(model: onnx.ModelProto, runtime: str, threads: int) -> Infer:
    """The graph, compiled for so many threads of the processor.

    runtime: "onnxruntime" or "openvino".
    """
    names = [output.name for output in model.graph.output]
    return _RUNTIMES[runtime](model.SerializeToString(), names, threads)


def _in_onnxruntime(model: bytes, names: list[str], threads: int) -> Infer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda arrays: dict(zip(names, session.run(names, arrays), strict=True))


def _in_openvino(model: bytes, names: list[str], threads: int) -> Infer:
    from edge_mtl.runtime.engines.ov import core

    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    compiled = core().compile_model(core().read_model(model), "CPU", options)
    request = compiled.create_infer_request()

    def infer(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        # Outputs are copied: what was found in a frame is to outlive the next one.
        found = request.infer(arrays, share_inputs=True)
        return dict(zip(names, found.to_tuple(), strict=True))

    return infer


_RUNTIMES: dict[str, Callable[[bytes, list[str], int], Infer]] = {
    "onnxruntime": _in_onnxruntime,
    "openvino": _in_openvino,
}
