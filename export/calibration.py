"""Calibration: the range of every activation that a target computes in 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto

from edge_mtl.data.datasets import Dataset
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.export.histogram import Histogram, Range
from edge_mtl.export.schemes import Scheme
from edge_mtl.ops import Preprocessor
from edge_mtl.placement import Placement
from edge_mtl.plane_writer import PlaneWriter
from edge_mtl.spec import ModelSpec

Method = Literal["min-max", "entropy", "percentile", "mse"]
METHODS: tuple[Method, ...] = get_args(Method)
Ranges = dict[str, Range]
"""By activation, see `Range`."""

LEAST_FRAMES = 32
"""Fewer frames than this do not show the ranges that a drive has."""

PERCENTILE = 99.99
"""The percentile method keeps so many per cent of an activation's values, where nobody says
otherwise: with a million values a frame, 99.9 would clip every object as small as a sign."""

_SAMPLED = 1 << 17
"""Of an activation's values in a frame, about so many are counted; the extremes are of all."""

_ABSORBED = ("Relu", "Clip")
_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """How ranges are chosen.

    method: "min-max" for the extremes of all frames; "percentile", "mse" (least mean squared
        error) or "entropy" to clip what is rare, so that the rest is rounded less.
    percent: what "percentile" keeps.

    Raises:
        UsageError: the method is unknown, or `percent` keeps nothing or more than all.
    """

    method: Method = "min-max"
    percent: float = PERCENTILE

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(
                f"no calibration is called {self.method!r}; expected one of {', '.join(METHODS)}"
            )
        if not 50.0 < self.percent <= 100.0:
            raise UsageError(
                f"a percentile calibration keeps between 50 and 100 % of the values, found "
                f"{self.percent}; {PERCENTILE} is usual"
            )

    def __str__(self) -> str:
        return f"percentile {self.percent:g}" if self.method == "percentile" else self.method


MIN_MAX = CalibrationSettings()


def check_calibration(frames: Dataset) -> None:
    """Refuse frames that are too few to calibrate with.

    Raises:
        UsageError: there are fewer than `LEAST_FRAMES`.
    """
    if len(frames) < LEAST_FRAMES:
        raise UsageError(
            f"calibration needs at least {LEAST_FRAMES} frames, {frames.name} has {len(frames)}; "
            "take more of them, or a larger data set"
        )


def preprocessed(spec: ModelSpec, frames: Dataset) -> Iterator[dict[str, NDArray[np.float32]]]:
    """The network's inputs of every frame, by the runtime's own preprocessing, float32.

    The arrays are the same each time, with the next frame in them.

    Raises:
        EdgeMtlError: a frame lacks a plane that the spec takes.
    """
    preprocess = Preprocessor(spec.input, spec.input_tensor)
    write_planes = PlaneWriter(spec, spec.plane_tensors)
    picture = np.empty(spec.input_tensor.shape, np.float32)
    planes = {each.name: np.empty(each.shape, np.float32) for each in spec.plane_tensors}
    for index in range(len(frames)):
        sample = frames[index]
        placement = Placement.fit((sample.image.shape[1], sample.image.shape[0]), spec.input)
        preprocess([sample.image], [placement], picture)
        write_planes(sample.planes, placement, planes)
        yield {spec.input.name: picture, **planes}


def calibrate(
    model: onnx.ModelProto,
    spec: ModelSpec,
    scheme: Scheme,
    frames: Dataset,
    settings: CalibrationSettings = MIN_MAX,
    progress: Callable[[int, int], None] | None = None,
) -> Ranges:
    """The range of every activation of a float graph that the scheme may quantise.

    One frame's activations are in memory at a time. The inputs and outputs of the network keep
    their extremes whatever the method: a picture's white is no outlier, and of two logits that are
    both clipped nobody can tell which was larger.

    frames: at least `LEAST_FRAMES`, see `check_calibration`.
    progress: called after each frame with the frames done and the frames in all.

    Raises:
        EdgeMtlError: a frame lacks a plane that the spec takes, or an activation is no number.
    """
    names = activations(model, scheme)
    inputs = {each.name for each in model.graph.input}
    edges = inputs | {each.name for each in model.graph.output}
    session = _session(model, [name for name in names if name not in inputs])
    outputs = [each.name for each in session.get_outputs()]
    counted = settings.method != "min-max"
    histograms = {name: Histogram() for name in names}
    for done, feed in enumerate(preprocessed(spec, frames), start=1):
        values = {**dict(zip(outputs, session.run(None, feed), strict=True)), **feed}
        for name, histogram in histograms.items():
            value = values[name]
            low, high = float(value.min()), float(value.max())
            if not np.isfinite(high - low):
                raise EdgeMtlError(
                    f"expected activations within the reach of float32, found {low} to {high} in "
                    f"{name!r} on frame {done} of {frames.name}; is the network trained?"
                )
            sample = _sample(value) if counted and name not in edges else _NOTHING
            histogram.add(sample, low, high)
        if progress is not None:
            progress(done, len(frames))
    return {
        name: _choose(each, settings if name not in edges else MIN_MAX, scheme)
        for name, each in histograms.items()
    }


def activations(model: onnx.ModelProto, scheme: Scheme) -> list[str]:
    """The float tensors that operators of the scheme read or write, in the order of the graph.

    Not those that only an activation function reads: they take the range that it leaves.
    """
    inferred = onnx.shape_inference.infer_shapes(model).graph
    floats = {
        value.name
        for value in (*inferred.input, *inferred.output, *inferred.value_info)
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    readers: dict[str, list[str]] = {value.name: [""] for value in inferred.output}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    return list(
        dict.fromkeys(
            name
            for node in model.graph.node
            if node.op_type in scheme.operators
            for name in (*node.input, *node.output)
            if name in floats
            and not (len(readers.get(name, ())) == 1 and readers[name][0] in _ABSORBED)
        )
    )


def _session(model: onnx.ModelProto, names: list[str]) -> onnxruntime.InferenceSession:
    """A session that also gives the values of activations."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    known = {each.name for each in watched.graph.output}
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in names
        if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    return onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _sample(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most about `_SAMPLED` values, evenly spaced; an odd distance walks through all columns."""
    distance = max(1, value.size // _SAMPLED) | 1
    return value.ravel()[::distance]


def _choose(histogram: Histogram, settings: CalibrationSettings, scheme: Scheme) -> Range:
    if settings.method == "percentile":
        return histogram.percentile(settings.percent, scheme.signed)
    if settings.method == "mse":
        return histogram.least_squares(scheme.signed)
    if settings.method == "entropy":
        return histogram.entropy(scheme.signed)
    return histogram.low, histogram.high
