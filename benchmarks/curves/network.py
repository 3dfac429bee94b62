"""The network that is measured: `driving-s` as it ships, and what else can be made of it.

With another input or more classes it keeps its weights and its 8-bit ranges, so that what it
computes stays typical of a street; its answers at other sizes are not those of a network that was
trained for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from curves.interleaved import Run
from edge_mtl import zoo
from edge_mtl.bundle import Bundle
from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.export.deployment import bundle_of
from edge_mtl.export.lighter import lighter_graph
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import DetectionTask, SegmentationTask

FRAME_SIZE = 1280, 720
_FAINTER = 1.0
"""By how much the logits of classes that were added are below those that they are copies of."""


@dataclass(frozen=True)
class Network:
    """bundle: as it ships. engines: that are measured; where one is enough, the first. threads: of
    engine and kernels; None for all cores."""

    bundle: Bundle
    engines: Sequence[str]
    threads: int | None = None

    @classmethod
    def shipped(cls, engines: Sequence[str], threads: int | None) -> Network:
        """`driving-s`."""
        return cls(Bundle.open(zoo.locate("driving-s", ".emtl")), engines, threads)

    def open(self, bundle: Bundle | None = None, engine: str | None = None) -> Pipeline:
        """The network, or what was made of it, in an engine."""
        return Pipeline.from_bundle(bundle or self.bundle, engine or self.engines[0], self.threads)


@cache
def street() -> NDArray[np.uint8]:
    """(720, 1280, 3): a rendered street."""
    return RenderedScenes(60, size=FRAME_SIZE).image(45)


def street_of(size: tuple[int, int]) -> NDArray[np.uint8]:
    """The street at another width and height."""
    return np.asarray(cv2.resize(street(), size), np.uint8)


def stages(pipeline: Pipeline, frame: NDArray[np.uint8]) -> Run:
    """The milliseconds of "preprocess", "engine" and "head" of a frame."""
    return lambda: pipeline(frame).stages_ms


def resized(bundle: Bundle, size: tuple[int, int]) -> Bundle:
    """The same network with an input of another width and height."""
    width, height = size
    spec = msgspec.structs.replace(
        bundle.spec, input=msgspec.structs.replace(bundle.spec.input, width=width, height=height)
    )
    model = onnx.load_from_string(bundle.network)
    return _bundle(bundle, spec, lighter_graph(model, bundle.spec, spec))


def with_classes(bundle: Bundle, task: SegmentationTask | DetectionTask, count: int) -> Bundle:
    """The same network with so many classes in one task: more of them are fainter copies of those
    that it has, which win nowhere, as most classes of a large set do in one picture."""
    names = (*task.classes, *(f"class {i}" for i in range(len(task.classes), count)))
    wider = msgspec.structs.replace(task, classes=names[:count])
    tasks = tuple(wider if each is task else each for each in bundle.spec.tasks)
    spec = msgspec.structs.replace(bundle.spec, tasks=tasks)
    model = onnx.load_from_string(bundle.network)
    shapes = {tensor.name: tensor.shape for tensor in spec.output_tensors}
    for value in model.graph.output:
        channels = value.type.tensor_type.shape.dim[1]
        if shapes[value.name][1] != channels.dim_value:
            _widen(model.graph, value.name, channels.dim_value, count)
            channels.dim_value = count
    del model.graph.value_info[:]
    return _bundle(bundle, spec, model)


def _widen(graph: onnx.GraphProto, output: str, count: int, wanted: int) -> None:
    """Repeat the channels of the 8-bit convolution that writes an output, in place."""
    writers = {name: node for node in graph.node for name in node.output}
    constants = {each.name: each for each in graph.initializer}
    node = writers[output]
    while node.op_type != "Conv":
        node = writers[node.input[0]]
    _, weight, bias = node.input
    for parameter in (weight, bias):
        values = {name: numpy_helper.to_array(constants[name]) for name in writers[parameter].input}
        wider = {
            name: np.resize(each, (wanted, *each.shape[1:]))
            for name, each in values.items()
            if each.shape[:1] == (count,)  # one zero point may be for all
        }
        if parameter == bias:
            integers, scale = list(wider)[:2]
            wider[integers][count:] -= np.rint(_FAINTER / wider[scale][count:]).astype(np.int32)
        for name, each in wider.items():
            constants[name].CopyFrom(numpy_helper.from_array(each, name))


def _bundle(bundle: Bundle, spec: ModelSpec, model: onnx.ModelProto) -> Bundle:
    manifest = bundle.manifest
    return bundle_of(Path("variant.emtl"), spec, manifest.target, manifest.precision, model)
