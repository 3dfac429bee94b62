"""Which layers cost a task its accuracy when they are quantised."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from edge_mtl.data.datasets import Dataset, EvenlySpaced
from edge_mtl.export.calibration import Ranges, preprocessed
from edge_mtl.export.layers import Layer
from edge_mtl.export.quantize import quantize
from edge_mtl.export.schemes import Scheme
from edge_mtl.spec import ModelSpec

FRAMES = 4
"""The error of one layer is much alike on all frames: so many order the layers."""

Errors = dict[str, dict[str, float]]
"""By name of the layer, then by task: the mean squared error of the task's raw outputs when that
layer alone is quantised, as a share of their variance."""

_Outputs = dict[str, list[NDArray[np.float32]]]


def sensitivity(
    model: onnx.ModelProto,
    spec: ModelSpec,
    scheme: Scheme,
    ranges: Ranges,
    candidates: Iterable[Layer],
    tasks: Collection[str],
    frames: Dataset,
    progress: Callable[[int, int], None] | None = None,
) -> Errors:
    """Quantise one layer at a time and compare the raw outputs of some tasks with the float ones.

    Errors of layers add up nearly, because their roundings have little to do with each other (Wu
    et al., 2020, arXiv:2004.09602, section 6). A layer on which no output of the tasks depends is
    left out.

    progress: called after each layer with the layers done and the layers in all.
    """
    tensors = {task: _tensors(spec, task) for task in tasks}
    wanted = {name for names in tensors.values() for name in names}
    relevant = [layer for layer in candidates if layer.outputs & wanted]
    inputs = [
        {name: each.copy() for name, each in feed.items()}
        for feed in preprocessed(spec, EvenlySpaced(frames, min(FRAMES, len(frames))))
    ]
    expected = _run(model, inputs, wanted)
    errors: Errors = {}
    for done, layer in enumerate(relevant, start=1):
        found = _run(quantize(model, scheme, ranges, layer.nodes), inputs, wanted)
        errors[layer.name] = {
            task: sum(_error(found[name], expected[name]) for name in names)
            for task, names in tensors.items()
        }
        if progress is not None:
            progress(done, len(relevant))
    return errors


def _tensors(spec: ModelSpec, name: str) -> list[str]:
    """The raw outputs of a task; of a pose task also those of the boxes that it belongs to."""
    task = next(each for each in spec.tasks if each.name == name)
    own = [tensor.name for tensor in task.tensors(spec.input.width, spec.input.height)]
    boxes = next((pose.detection for pose in spec.poses if pose.name == name), None)
    return own + (_tensors(spec, boxes) if boxes is not None else [])


def _run(
    model: onnx.ModelProto, inputs: list[dict[str, NDArray[np.float32]]], names: set[str]
) -> _Outputs:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: _Outputs = {name: [] for name in sorted(names)}
    for feed in inputs:
        for each, value in zip(found.values(), session.run(list(found), feed), strict=True):
            each.append(value)
    return found


def _error(found: list[NDArray[np.float32]], expected: list[NDArray[np.float32]]) -> float:
    """The mean squared error over the variance of what was expected."""
    truth = np.stack(expected)
    apart = float(np.mean((np.stack(found) - truth) ** 2, dtype=np.float64))
    return apart / max(float(truth.var(dtype=np.float64)), 1e-12)
