"""ONNX Runtime on an NVIDIA GPU, with OpenCV and NumPy around it: its CUDA provider, and its
TensorRT provider in half precision.

As their pages say: cuDNN's search is exhaustive, with as much workspace as it wants and TF32;
engines are kept for the session.
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html
https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html

**Never run**: no GPU was at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import shipped
from numpy.typing import NDArray

from peers.in_opencv import around
from peers.job import InStages, Job, MissingError

_CUDA = {
    "cudnn_conv_algo_search": "EXHAUSTIVE",
    "cudnn_conv_use_max_workspace": "1",
    "use_tf32": "1",
}
_TENSORRT = {"trt_fp16_enable": "1", "trt_cuda_graph_enable": "1"}


def cuda(job: Job) -> InStages:
    return _open([("CUDAExecutionProvider", _CUDA)], job)


def tensorrt(job: Job) -> InStages:
    """What TensorRT refuses runs in CUDA."""
    return _open([("TensorrtExecutionProvider", _TENSORRT), ("CUDAExecutionProvider", _CUDA)], job)


def _open(providers: list[tuple[str, dict[str, str]]], job: Job) -> InStages:
    import onnxruntime

    wanted = providers[0][0]
    if wanted not in onnxruntime.get_available_providers():
        raise MissingError(f"an ONNX Runtime with {wanted} (the package onnxruntime-gpu)")
    bundle = shipped.fp32()
    session: Any = onnxruntime.InferenceSession(bundle.network, providers=providers)
    if wanted not in session.get_providers():
        raise MissingError(f"{wanted}: ONNX Runtime could not load it, and says why above")
    outputs = {each.name: np.empty(each.shape, each.dtype) for each in bundle.manifest.outputs}
    binding = session.io_binding()
    for name, array in outputs.items():
        binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def infer(image: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        binding.bind_cpu_input(bundle.manifest.input.name, image)
        session.run_with_iobinding(binding)
        return outputs

    return around(bundle, infer, job)
