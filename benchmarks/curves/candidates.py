"""Cells above the threshold, before non-maximum suppression: all of them in a crowd of boxes.

The raw outputs are those of `driving-s` for a street, with so many cells of the detection head
above its threshold, chosen by chance among all levels, each a box of four by four cells. The head
is measured as a whole, with masks and all, as it ships (at most 128 boxes) and with as many boxes
as a task may keep.
"""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from curves.curve import curves_of, told
from curves.fit import Fit, fit, reaches
from curves.interleaved import Effort, Run, Size, measure
from curves.network import FRAME_SIZE, Network, street
from edge_mtl import ops, reference
from edge_mtl.benchmark.result import Curve
from edge_mtl.placement import Placement
from edge_mtl.spec import ModelSpec
from edge_mtl.tasks import MAX_BOXES, DetectionTask
from edge_mtl.tensor_spec import TensorSpec

COUNTS = (8, 32, 128, 512, 2048, 5000)
_REACH = 2.0
"""Cells from the middle of a box to its sides."""

Raw = dict[str, NDArray[Any]]
Tensors = dict[str, TensorSpec]


def candidates(network: Network, effort: Effort) -> list[Curve]:
    counts = effort.some(COUNTS)
    spec = network.bundle.spec
    [task] = spec.detections
    with network.open() as pipeline:
        tensors = {tensor.name: tensor for tensor in pipeline.engine.output_tensors}
        times_ms = [pipeline(street()).stages_ms["engine"] for _ in range(10)]
        raw = {name: values.copy() for name, values in pipeline.engine.outputs.items()}
    crowds = [_crowd(raw, tensors, task, count) for count in counts]
    # More threads than these help no kernel, see `HostStages`.
    threads = min(network.threads or len(os.sched_getaffinity(0)), 4)
    found = []
    for most in (task.max_boxes, MAX_BOXES):
        wider = msgspec.structs.replace(task, max_boxes=most)
        tasks = tuple(wider if each is task else each for each in spec.tasks)
        head = ops.FusedHead(
            msgspec.structs.replace(spec, tasks=tasks), tuple(tensors.values()), threads
        )
        runs = [Size(n, _run(head, spec, crowd)) for n, crowd in zip(counts, crowds, strict=True)]
        fits = {"head": fit(counts, measure(runs, effort)["head"])}
        wall = _wall(fits["head"], float(np.median(times_ms)), _cells(tensors, task))
        found += curves_of(
            "candidates for boxes",
            fits,
            _candidates(raw, tensors, task),
            f"With at most {most} boxes: {wall}",
            f", at most {most} boxes",
        )
    return found


def _wall(head: Fit, engine_ms: float, cells: int) -> str:
    rest_ms = head.points[0].ms.value
    half, whole = reaches([head], 2 * rest_ms), reaches([head], engine_ms)
    if half is None or half.value > cells:
        return (
            f"even all {cells} cells of the input cost less than the rest of the head: with them "
            f"it takes {head.at(cells):.2f} ms instead of {rest_ms:.2f}."
        )
    wall = (
        f"candidates cost more than the rest of the head ({rest_ms:.2f} ms) from "
        f"{told(half, head)} on"
    )
    if whole is None or whole.value > cells:
        with_all = f"{head.at(cells):.1f} of {engine_ms:.1f} ms"
        return f"{wall}; with all {cells} cells the head takes less than the engine, {with_all}."
    return (
        f"{wall}, and the head more than the engine ({engine_ms:.1f} ms) from {told(whole, head)}."
    )


def _cells(tensors: Tensors, task: DetectionTask) -> int:
    """Of all levels, each of which may be a candidate."""
    names = [reference.level_names(task, stride)[0] for stride in task.strides]
    return sum(tensors[name].shape[2] * tensors[name].shape[3] for name in names)


def _run(head: ops.FusedHead, spec: ModelSpec, crowd: Raw) -> Run:
    placement = Placement.fit(FRAME_SIZE, spec.input)

    def run() -> dict[str, float]:
        start_ns = time.perf_counter_ns()
        head(crowd, [placement], "frame")
        return {"head": (time.perf_counter_ns() - start_ns) / 1e6}

    return run


def _crowd(raw: Raw, tensors: Tensors, task: DetectionTask, count: int) -> Raw:
    """The raw outputs with so many candidates."""
    rng = np.random.default_rng(count)
    crowd = {**raw}
    levels = [reference.level_names(task, stride) for stride in task.strides]
    cells = [tensors[scores].shape[2] * tensors[scores].shape[3] for scores, _ in levels]
    chosen = np.zeros(sum(cells), bool)
    chosen[rng.permutation(len(chosen))[:count]] = True
    for (scores, boxes), here in zip(levels, np.split(chosen, np.cumsum(cells)[:-1]), strict=True):
        logits = np.full((tensors[scores].shape[1], here.size), -9.0)
        logits[0, here] = rng.uniform(1.0, 4.0, here.sum())
        crowd[scores] = _as_given(tensors[scores], logits)
        crowd[boxes] = _as_given(tensors[boxes], np.full((4, here.size), _REACH))
    return crowd


def _as_given(tensor: TensorSpec, values: NDArray[np.float64]) -> NDArray[Any]:
    """Values as an engine gives them."""
    if tensor.quantised:
        limits = np.iinfo(tensor.dtype)
        values = np.rint(values / tensor.scale) + tensor.zero_point
        values = values.clip(limits.min, limits.max)
    return values.astype(tensor.dtype).reshape(tensor.shape)


def _candidates(raw: Raw, tensors: Tensors, task: DetectionTask) -> int:
    """In how many cells of all levels some class is above the threshold."""
    least = reference.logit(task.score_threshold)
    names = [reference.level_names(task, stride)[0] for stride in task.strides]
    logits = [reference.dequantise(tensors[name], raw[name]) for name in names]
    return sum(int((level.max(axis=1) > least).sum()) for level in logits)
