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
)
from edge_mtl.export.foreign.proposed_task import Output, ProposedTask, TaskNames, class_names
from edge_mtl.export.foreign.tracing import choice_before, suppression_before

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
    left, joined = boxes_and_scores(left, called, names)
    tasks += joined
    for output in left:
        found = _one(graph, output, size, called, names, notes)
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
) -> ProposedTask | str | None:
    """The task of one output, or why it is none."""
    tensor, solid = output.name, output.solid
    choice = choice_before(graph, output.name)
    chosen = choice is not None and np.array_equal(output.value, np.rint(output.value))
    if output.value.shape != output.again.shape:
        node = suppression_before(graph, output.name)
        where = f" (node {node.name})" if node else ""
        return (
            f"{tensor} has as many rows as boxes are kept{where}; export without non-maximum "
            "suppression, or name the tensors before it in [import.outputs]"
        )
    if chosen and choice is not None:
        task = ProposedTask("segmentation", called(tensor, "segmentation"), _numbered(names, 2))
        task.remarks.append(
            f"{tensor} holds the classes that {choice.op_type} chose; {choice.input[0]} are the "
            "logits before it. Guessed: the number of classes and the stride"
        )
        task.fields.append("stride = 1")
        task.sources.append(f"{task.name} = {json.dumps(choice.input[0])}")
        return task
    if len(solid) == 1 and 2 <= solid[0] <= _MOST_LABELS and len(output.shape) != 3:
        return _classification(output, called, names)
    if len(solid) == 2 and len(output.shape) == 3 and min(solid) >= 5 and max(solid) > min(solid):
        return decoded_boxes(output, size, called, names, notes)
    if is_fastestdet(graph, output):
        return fastestdet_boxes(output, called, names)
    if len(output.shape) in (3, 4) and len(solid) >= 2:
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
    width, height = size
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
    classes, named = class_names(names, 2 if binary else channels)
    if binary and not named:
        classes = ("background", "foreground")
    task = ProposedTask("segmentation", called(output.name, "segmentation"), classes, named=named)
    stride = next(
        (s for s in range(1, 129) if (-(-height // s), -(-width // s)) == (rows, columns)), None
    )
    task.fields.append(f"stride = {stride}" if stride else f"grid = [{columns}, {rows}]")
    if binary:
        task.remarks.append("one logit: above zero a pixel is of the second class")
        task.fields.append("binary = true")
    task.sources.append(f"{task.name} = {json.dumps(output.name)}")
    return task


def _like(cells: Sequence[int], size: tuple[int, int]) -> bool:
    """Whether (rows, columns) have the input's proportions."""
    rows, columns = cells
    return abs(rows * size[0] - columns * size[1]) <= max(size) and min(cells) > 1


def _numbered(names: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(names) or class_names((), count)[0]
