"""Which tasks the outputs of a network may be: guesses by shape, range and what wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from edge_mtl.export.foreign.proposed_boxes import (
    box_levels,
    boxes_and_scores,
    decoded_boxes,
    fastestdet_boxes,
    from_levels,
    is_fastestdet,
    prototypes,
)
from edge_mtl.export.foreign.proposed_task import Output, ProposedTask, TaskNames, class_names
from edge_mtl.export.foreign.tracing import suppression_before

_MOST_CLASSES, _MOST_LABELS = 254, 65535


def proposed_tasks(
    graph: onnx.GraphProto,
    outputs: Sequence[Output],
    size: tuple[int, int],
    names: Sequence[str],
    notes: Mapping[str, Any],
) -> tuple[list[ProposedTask], list[str]]:
    """The tasks, and why some outputs can be none.

    size: (width, height) of the input. names: of the classes, where an exporter noted them.
    """
    called = TaskNames()
    tasks: list[ProposedTask] = []
    problems: list[str] = []
    left = list(outputs)
    levels = box_levels(left, size)
    if levels:
        task, problem = from_levels(levels, called, names)
        tasks += [task] if task else []
        problems += [problem] if problem else []
        if task or problem:
            left = [o for o in left if not any(o in level for level in levels.values())]
    left, joined, problem = boxes_and_scores(left, called, names)
    tasks += joined
    problems += [problem] if problem else []
    anchored = [o.name for o in left if _has_anchors(o)]
    if anchored:
        problems.append(
            f"{', '.join(anchored)}: levels with several anchors a cell; export the network with "
            "its boxes decoded, as YOLOv5 does by itself and YOLOv7 with --grid"
        )
        left = [o for o in left if o.name not in anchored]
    masks = prototypes(left)
    left = [o for o in left if o is not masks]
    coefficients = masks.shape[1] if masks else 0
    for output in left:
        found = _one(graph, output, size, called, names, notes, coefficients)
        if isinstance(found, str):
            problems.append(found)
        elif found is not None:
            tasks.append(found)
    if not tasks and not problems:
        problems.append("none of its outputs looks like logits, boxes or scores")
    return tasks, problems


def _one(
    graph: onnx.GraphProto,
    output: Output,
    size: tuple[int, int],
    called: TaskNames,
    names: Sequence[str],
    notes: Mapping[str, Any],
    coefficients: int,
) -> ProposedTask | str | None:
    """The task of one output, or why it is none."""
    tensor, solid = output.name, output.solid
    logits = output.chosen_from
    chosen = logits is not None and np.array_equal(output.value, np.rint(output.value))
    if output.value.shape != output.again.shape:
        node = suppression_before(graph, output.name)
        where = f" (node {node.name})" if node else ""
        return (
            f"{tensor} has as many rows as boxes are kept{where}; export without non-maximum "
            "suppression, or name the tensors before it in [import.outputs]"
        )
    if chosen and logits is not None:
        if logits.name in {value.name for value in graph.output}:
            return None  # they are proposed themselves
        found = _one(graph, logits, size, called, names, notes, coefficients)
        if isinstance(found, ProposedTask):
            found.name = called(tensor, found.type)
            found.sources = [f"{found.name} = {json.dumps(logits.name)}"]
            found.remarks.insert(
                0, f"{tensor} holds chosen classes; {logits.name} are the logits before them"
            )
        return found
    if logits is not None:
        return None  # how sure it is of what it chose
    if len(solid) == 1 and 2 <= solid[0] <= _MOST_LABELS and len(output.shape) != 3:
        return _classification(output, called, names)
    flat = _flat_stride(output, size)
    if flat is not None:
        return _flat_segmentation(output, flat, called, names)
    rows = len(solid) == 2 and len(output.shape) == 3 and not _stride(solid, size)
    if rows and min(solid) >= 5 and max(solid) > min(solid):
        return decoded_boxes(output, size, called, names, notes, coefficients)
    if is_fastestdet(graph, output):
        return fastestdet_boxes(output, called, names)
    if len(output.shape) in (3, 4) and (len(solid) > 2 or (len(solid) == 2 and not rows)):
        return _segmentation(output, size, called, names)
    return f"{tensor} {'x'.join(map(str, output.shape))} looks like no task that is known"


def _classification(output: Output, called: TaskNames, names: Sequence[str]) -> ProposedTask:
    count = output.solid[0]
    classes, named = class_names(names, count)
    task = ProposedTask("classification", called(output.name, "label"), classes, named=named)
    low, high, total = output.value.min(), output.value.max(), output.value.sum()
    if low >= 0 and high <= 1 and abs(total - 1) > 1e-2:
        task.remarks.append("guessed from scores that do not sum to 1: any number of them may hold")
        task.fields.append("multi_label = true")
    task.sources.append(f"{task.name} = {json.dumps(output.name)}")
    return task


def _segmentation(
    output: Output, size: tuple[int, int], called: TaskNames, names: Sequence[str]
) -> ProposedTask | str:
    shape = output.solid
    if len(shape) == 2:
        channels, (rows, columns) = 1, shape
    elif _like(shape[1:], size) or not _like(shape[:2], size):
        channels, rows, columns = shape
    else:
        rows, columns, channels = shape
    if channels > _MOST_CLASSES:
        return (
            f"{output.name} {'x'.join(map(str, output.shape))} has {channels} channels, more than "
            f"the {_MOST_CLASSES} classes that a task may have"
        )
    binary = channels == 1
    low, high = float(output.value.min()), float(output.value.max())
    if binary and low >= 0 and high > 1:
        return (
            f"{output.name} {'x'.join(map(str, output.shape))} holds {low:.3g} to {high:.3g}, "
            "which are no logits of a mask: a depth, perhaps, which no task has"
        )
    classes, named = class_names(names, 2 if binary else channels)
    if binary and not named:
        classes = ("background", "foreground")
    task = ProposedTask("segmentation", called(output.name, "segmentation"), classes, named=named)
    stride = _stride((rows, columns), size)
    task.fields.append(f"stride = {stride}" if stride else f"grid = [{columns}, {rows}]")
    if binary:
        task.remarks.append("one logit: above zero a pixel is of the second class")
        task.fields.append("binary = true")
    task.sources.append(f"{task.name} = {json.dumps(output.name)}")
    return task


def _stride(cells: Sequence[int], size: tuple[int, int]) -> int | None:
    """At which stride (rows, columns) are the cells of the input; None where at none."""
    width, height = size
    fits = (s for s in range(1, 129) if (-(-height // s), -(-width // s)) == tuple(cells))
    return next(fits, None)


def _has_anchors(output: Output) -> bool:
    """Whether it is a raw level of YOLOv3, v5 or v7: (1, anchors, rows, columns, 5 + classes)."""
    return len(output.shape) == 5 and output.shape[1] in (2, 3, 4) and output.shape[4] > 5


def _flat_stride(output: Output, size: tuple[int, int]) -> int | None:
    """At which stride (1, cells, classes), or the other way round, holds one map; None where it
    does not, as the several levels of a detector do not, nor boxes that were chosen."""
    solid = output.solid
    if len(output.shape) != 3 or len(solid) != 2 or _stride(solid, size):
        return None
    if output.shape[2] == 6 and np.array_equal(output.value[..., 5], np.rint(output.value[..., 5])):
        return None
    width, height = size
    cells = {-(-height // s) * -(-width // s): s for s in (16, 8, 4, 2, 1)}
    return cells.get(max(solid))


def _flat_segmentation(
    output: Output, stride: int, called: TaskNames, names: Sequence[str]
) -> ProposedTask:
    classes, named = class_names(names, min(output.solid))
    task = ProposedTask("segmentation", called(output.name, "segmentation"), classes, named=named)
    task.remarks.append("guessed: the cells of one map, row by row")
    task.fields.append(f"stride = {stride}")
    task.sources.append(f"{task.name} = {json.dumps(output.name)}")
    return task


def _like(cells: Sequence[int], size: tuple[int, int]) -> bool:
    """Whether (rows, columns) have the input's proportions."""
    rows, columns = cells
    return abs(rows * size[0] - columns * size[1]) <= max(size) and min(cells) > 1
