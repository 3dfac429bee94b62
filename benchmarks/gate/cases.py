"""What the gate measures by turns, and the bounds.

Everything on one thread, of `driving-s` and frames of 1280x720. A bound leaves at least a quarter
to the worst of the runs that are kept in `benchmarks/results/*/gate.json` (`python
benchmarks/run_gate.py repeat`), for other processors and libraries; a test holds it to that. Those
that depend on how fast an engine is leave more.
"""

from __future__ import annotations

import math
from contextlib import ExitStack, closing
from functools import cache, partial

import cv2
import numpy as np
import shipped
from no_network import NoNetwork
from numpy.typing import NDArray
from rivals.opencv_head import open_head
from rivals.opencv_preprocess import BlobPreprocess, TablePreprocess
from trained_logits import FRAME_SIZE, rendered_frames

from edge_mtl import ops, reference
from edge_mtl.benchmark.looped import Looped
from edge_mtl.bundle import Bundle
from edge_mtl.placement import Placement
from edge_mtl.runtime.engines import Engine, open_engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.runtime.stream import Stream
from edge_mtl.tensor_spec import TensorSpec
from gate.ratios import Case, Pair, process_ms, processor_ms

_STREAMED = 40
_DOT_PRODUCTS = ("avx_vnni", "avx512_vnni", "asimddp")


@cache
def _frame() -> NDArray[np.uint8]:
    return rendered_frames()[0]


@cache
def _placement() -> Placement:
    return Placement.fit(FRAME_SIZE, shipped.int8().spec.input)


def _open_engine(stack: ExitStack, name: str, bundle: Bundle) -> Engine:
    """With the frame in it, and what the network makes of it."""
    engine = stack.enter_context(closing(open_engine(name, bundle, threads=1)))
    preprocess = ops.Preprocessor(bundle.spec.input, engine.input_tensor)
    preprocess([_frame()], [_placement()], engine.image)
    engine.infer()
    return engine


def _open_without_network(stack: ExitStack, engine: Engine) -> Pipeline:
    spec = shipped.int8().spec
    return stack.enter_context(Pipeline(spec, NoNetwork(engine), threads=1))


def _preprocess(kind: type[BlobPreprocess | TablePreprocess], stack: ExitStack) -> Pair:
    bundle = shipped.int8()
    tensor = bundle.manifest.input
    if kind is BlobPreprocess:
        tensor = TensorSpec(tensor.name, tensor.shape, "float32")
    ours = ops.Preprocessor(bundle.spec.input, tensor)
    rival = kind(bundle.spec.input, _placement(), tensor)
    out = np.empty(tensor.shape, tensor.dtype)
    cv2.setNumThreads(1)
    return Pair(
        processor_ms(lambda: ours([_frame()], [_placement()], out), times=4),
        processor_ms(lambda: rival(_frame()), times=4),
    )


def _head(stack: ExitStack) -> Pair:
    engine = _open_engine(stack, "onnxruntime", shipped.int8())
    ours = ops.FusedHead(shipped.int8().spec, engine.output_tensors)
    size = reference.mask_extent(_placement(), "frame")
    rival = open_head(shipped.int8().spec, engine.output_tensors, _placement(), size)
    cv2.setNumThreads(1)
    return Pair(
        processor_ms(lambda: ours(engine.outputs, [_placement()], "frame"), times=4),
        processor_ms(lambda: rival(engine.outputs)),
    )


def _around(engine_name: str, stack: ExitStack) -> Pair:
    engine = _open_engine(stack, engine_name, shipped.int8())
    around = _open_without_network(stack, engine)
    return Pair(processor_ms(engine.infer), processor_ms(lambda: around(_frame()), times=4))


def _pipeline(stack: ExitStack) -> Pair:
    engine = _open_engine(stack, "onnxruntime", shipped.int8())
    pipeline = _open_without_network(stack, engine)
    spec, out = shipped.int8().spec, np.empty_like(engine.image)
    preprocess = ops.Preprocessor(spec.input, engine.input_tensor)
    head = ops.FusedHead(spec, engine.output_tensors)

    def kernels() -> None:
        preprocess([_frame()], [_placement()], out)
        head(engine.outputs, [_placement()], "frame")

    return Pair(processor_ms(kernels, times=4), processor_ms(lambda: pipeline(_frame()), times=4))


def _stream(stack: ExitStack) -> Pair:
    engine = _open_engine(stack, "onnxruntime", shipped.int8())
    pipeline = _open_without_network(stack, engine)
    frames = [Frame(_frame(), 0, 0)]

    def stream() -> None:
        source = Looped(frames, math.inf, 30.0)
        Stream(source, [pipeline], max_frames=_STREAMED).run()

    def loop() -> None:
        for _ in range(_STREAMED):
            pipeline(_frame())

    return Pair(processor_ms(loop), processor_ms(stream))


def _precisions(engine_name: str, stack: ExitStack) -> Pair:
    ours, rival = (
        _open_engine(stack, engine_name, bundle) for bundle in (shipped.int8(), shipped.fp32())
    )
    return Pair(processor_ms(ours.infer), processor_ms(rival.infer))


def _start(code: str, stack: ExitStack) -> Pair:
    return Pair(process_ms("pass"), process_ms(code))


_ORT, _OV = ("onnxruntime",), ("openvino",)

CASES = (
    Case("preprocess, float32: OpenCV over ours", 1.2, 40, partial(_preprocess, BlobPreprocess)),
    Case("preprocess, uint8: OpenCV over ours", 1.2, 40, partial(_preprocess, TablePreprocess)),
    Case("head: OpenCV and NumPy over ours", 20, 20, _head, needs=_ORT),
    Case(
        "around ONNX Runtime, over the engine",
        *(0.1, 30, partial(_around, "onnxruntime")),
        at_most=True,
        needs=_ORT,
    ),
    Case(
        "around OpenVINO, over the engine",
        *(0.1, 30, partial(_around, "openvino")),
        at_most=True,
        needs=_OV,
    ),
    Case("a pipeline without a network, over its kernels", 1.4, 60, _pipeline, True, _ORT),
    Case("a stream without a network, over a loop", 1.8, 20, _stream, True, _ORT),
    Case(
        "FP32 over INT8 in ONNX Runtime",
        *(1.3, 12, partial(_precisions, "onnxruntime")),
        needs=(*_ORT, "torch", "onnxscript"),
        instructions=_DOT_PRODUCTS,
    ),
    Case(
        "FP32 over INT8 in OpenVINO",
        *(2.0, 12, partial(_precisions, "openvino")),
        needs=(*_OV, "torch", "onnxscript"),
        instructions=_DOT_PRODUCTS,
    ),
    Case(
        "import edge_mtl, over an interpreter's start",
        *(2.6, 15, partial(_start, "import edge_mtl")),
        at_most=True,
    ),
    Case(
        "import of the pipeline, over an interpreter's start",
        *(30, 15, partial(_start, "from edge_mtl import Pipeline")),
        at_most=True,
    ),
)
