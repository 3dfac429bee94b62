"""ONNX Runtime on the processor, with OpenCV and NumPy around it.

As its performance pages say: all graph optimisations, intra-op threads, spinning left on, and
outputs bound to buffers that stay.
https://onnxruntime.ai/docs/performance/tune-performance/threading.html
https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
https://onnxruntime.ai/docs/performance/tune-performance/iobinding.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from peers.in_opencv import around
from peers.job import InStages, Job


def around_network(bundle: Callable[[], Bundle]) -> Callable[[Job], InStages]:
    return lambda job: _open(bundle(), job)


def _open(bundle: Bundle, job: Job) -> InStages:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = job.threads
    session: Any = onnxruntime.InferenceSession(
        bundle.network, options, providers=["CPUExecutionProvider"]
    )
    outputs = {each.name: np.empty(each.shape, each.dtype) for each in bundle.manifest.outputs}
    binding = session.io_binding()
    for name, array in outputs.items():
        binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    name = bundle.manifest.input.name

    def infer(image: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        binding.bind_cpu_input(name, image)
        session.run_with_iobinding(binding)
        return outputs

    return around(bundle, infer, job)
