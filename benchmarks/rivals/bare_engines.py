"""The engines' libraries, opened and called as their own tutorials do, without anything of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from edge_mtl.bundle import Bundle


def bare_onnxruntime(bundle: Bundle, image: NDArray[Any], threads: int) -> Callable[[], object]:
    """`InferenceSession.run`, which allocates its outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        bundle.network, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: image})


def bare_openvino(bundle: Bundle, image: NDArray[Any], threads: int) -> Callable[[], object]:
    """The compiled model, called."""
    import openvino

    core = openvino.Core()
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads)}
    compiled = core.compile_model(core.read_model(bundle.network), "CPU", options)
    return lambda: compiled([image])


BARE = {"onnxruntime": bare_onnxruntime, "openvino": bare_openvino}
"""By the name of our engine."""
