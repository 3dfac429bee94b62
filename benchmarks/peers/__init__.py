"""Others that run the network that edge-mtl runs: same weights, same frames, same threads.

A peer is a file here and a row in `PEERS`. Each is set up as its own documentation says is fastest;
the docstring of its file names the page. The benchmark compares what it sees with what edge-mtl
sees before it times anything (`bench_peers.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

import shipped

from edge_mtl.benchmark.closed_loop import Sees
from edge_mtl.machine import gpus
from peers import (
    itself,
    litert_cpu,
    ncnn_cpu,
    one_graph,
    opencv_dnn,
    ort_cpu,
    ort_gpu,
    ov_cpu,
    ov_preprocessing,
    tensorrt_here,
    torch_cpu,
    torch_cuda,
)
from peers.job import Job, MissingError, RunClip


@dataclass(frozen=True, slots=True)
class Peer:
    """A row of `PEERS`.

    open: makes what sees one frame after the other. Raises MissingError, as does `stream`.
    needs: the module without which there is none; the first one tells its version.
    precision: "int8" for the very graph of the bundle that ships, with its Q/DQ nodes.
    stream: for a whole clip, where it has something better than one frame after the other.
    wanted: how many times as many frames a second edge-mtl is to make of a clip.
    gpu: it needs an NVIDIA GPU.
    same_as: the row that computes the same up to the order of operations, so that next to nothing
        may lie between them. None where rounding differs: another library has its own way through
        an 8-bit graph, and a frame prepared by other arithmetic has other pixels. Such a peer is
        compared with `OURS`, by what the gate of an export allows.
    """

    open: Callable[[Job], Sees]
    needs: tuple[str, ...]
    precision: Literal["int8", "fp32", "fp16"]
    stream: Callable[[Job], RunClip] | None = None
    wanted: float | None = None
    gpu: bool = False
    same_as: str | None = None

    def check(self) -> None:
        """Raises MissingError where a module or the GPU is not there."""
        for module in self.needs:
            if find_spec(module) is None:
                raise MissingError(f"the module {module}")
        if self.gpu and not gpus():
            raise MissingError("an NVIDIA GPU")


OURS = "edge-mtl INT8, OpenVINO"
"""What the times of all others are compared with."""
_OURS_ORT = "edge-mtl INT8, ONNX Runtime"
_OURS_FP32 = "edge-mtl FP32, OpenVINO"

PEERS: dict[str, Peer] = {
    OURS: Peer(
        itself.pipeline(shipped.int8, "openvino"),
        ("openvino",),
        "int8",
        itself.stream(shipped.int8, "openvino"),
    ),
    _OURS_ORT: Peer(
        itself.pipeline(shipped.int8, "onnxruntime"),
        ("onnxruntime",),
        "int8",
        itself.stream(shipped.int8, "onnxruntime"),
    ),
    _OURS_FP32: Peer(
        itself.pipeline(shipped.fp32, "openvino"),
        ("openvino", "torch"),
        "fp32",
        itself.stream(shipped.fp32, "openvino"),
    ),
    "OpenVINO INT8, OpenCV": Peer(
        ov_cpu.around_network(shipped.int8),
        ("openvino",),
        "int8",
        ov_cpu.stream(shipped.int8),
        wanted=1.6,
        same_as=OURS,
    ),
    "OpenVINO INT8, its own preprocessing": Peer(
        ov_preprocessing.around_network(shipped.int8),
        ("openvino", "onnx"),
        "int8",
    ),
    "OpenVINO INT8, head in the graph": Peer(
        one_graph.around_network(shipped.int8, "openvino"),
        ("openvino", "onnx"),
        "int8",
        same_as=OURS,
    ),
    "OpenVINO FP32, OpenCV": Peer(
        ov_cpu.around_network(shipped.fp32), ("openvino", "torch"), "fp32", same_as=_OURS_FP32
    ),
    "ONNX Runtime INT8, OpenCV": Peer(
        ort_cpu.around_network(shipped.int8), ("onnxruntime",), "int8", same_as=_OURS_ORT
    ),
    "ONNX Runtime INT8, head in the graph": Peer(
        one_graph.around_network(shipped.int8, "onnxruntime"),
        ("onnxruntime", "onnx"),
        "int8",
        same_as=_OURS_ORT,
    ),
    "ONNX Runtime FP32, OpenCV": Peer(
        ort_cpu.around_network(shipped.fp32),
        ("onnxruntime", "torch"),
        "fp32",
        wanted=3,
        same_as=_OURS_FP32,
    ),
    "OpenCV DNN FP32": Peer(
        opencv_dnn.around_network(shipped.fp32), ("cv2", "torch"), "fp32", same_as=_OURS_FP32
    ),
    "OpenCV DNN INT8": Peer(opencv_dnn.around_network(shipped.int8), ("cv2",), "int8"),
    "LiteRT FP32, OpenCV": Peer(
        litert_cpu.fp32, ("ai_edge_litert", "litert_torch"), "fp32", same_as=_OURS_FP32
    ),
    "ncnn FP32, OpenCV": Peer(ncnn_cpu.fp32, ("ncnn", "pnnx", "torch"), "fp32", same_as=_OURS_FP32),
    "PyTorch eager": Peer(torch_cpu.eager, ("torch",), "fp32", wanted=10, same_as=_OURS_FP32),
    "PyTorch compiled": Peer(torch_cpu.compiled, ("torch",), "fp32", same_as=_OURS_FP32),
    "edge-mtl FP16, TensorRT": Peer(
        tensorrt_here.tensorrt, ("tensorrt", "pycuda", "torch"), "fp16", gpu=True
    ),
    "edge-mtl FP16, TensorRT-RTX": Peer(
        tensorrt_here.tensorrt_rtx, ("tensorrt_rtx", "pycuda", "torch"), "fp16", gpu=True
    ),
    "ONNX Runtime FP16, TensorRT provider": Peer(
        ort_gpu.tensorrt, ("onnxruntime", "torch"), "fp16", gpu=True
    ),
    "ONNX Runtime FP32, CUDA provider": Peer(
        ort_gpu.cuda, ("onnxruntime", "torch"), "fp32", gpu=True
    ),
    "PyTorch eager FP16, CUDA": Peer(torch_cuda.eager, ("torch",), "fp16", gpu=True),
    "PyTorch compiled FP16, CUDA": Peer(torch_cuda.compiled, ("torch",), "fp16", gpu=True),
}
