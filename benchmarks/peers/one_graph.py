"""The network with its head inside the graph, as many exports have it: Resize, ArgMax and
NonMaxSuppression in ONNX behind the raw outputs, OpenCV before.

The graph is one for its runtime to optimise; its time is the engine's. See `rivals.head_graph`.
https://onnxruntime.ai/docs/performance/model-optimizations/graph-optimizations.html
"""

from __future__ import annotations

from collections.abc import Callable

import onnx
from rivals.graph_runtimes import open_graph
from rivals.head_graph import IR, OPSET, head_graph, scene_of
from rivals.opencv_preprocess import TablePreprocess

from edge_mtl.bundle import Bundle
from peers.job import InStages, Job


def around_network(bundle: Callable[[], Bundle], runtime: str) -> Callable[[Job], InStages]:
    """For an 8-bit input. runtime: "onnxruntime" or "openvino"."""

    def open_peer(job: Job) -> InStages:
        opened = bundle()
        spec, tensor = opened.spec, opened.manifest.input
        infer = open_graph(_model(opened, job), runtime, job.threads)
        return InStages(
            TablePreprocess(spec.input, job.placement, tensor),
            lambda image: infer({tensor.name: image}),
            lambda found: scene_of(spec, job.placement, found),
        )

    return open_peer


def _model(bundle: Bundle, job: Job) -> onnx.ModelProto:
    outputs = bundle.manifest.outputs
    head = head_graph(bundle.spec, outputs, job.placement, job.mask_size)
    network = onnx.version_converter.convert_version(onnx.load_from_string(bundle.network), OPSET)
    network.ir_version = IR
    names = [(tensor.name, tensor.name) for tensor in outputs]
    return onnx.compose.merge_models(network, head, io_map=names)
