"""What to say where a network and its spec.toml do not fit: the line that would be right."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_mtl.export.foreign import shapes
from edge_mtl.export.foreign.import_error import NetworkImportError
from edge_mtl.export.foreign.import_spec import Source
from edge_mtl.export.foreign.picture_input import text_of
from edge_mtl.export.foreign.tracing import choice_before, suppression_before
from edge_mtl.tasks import (
    ClassificationTask,
    DecodedDetectionTask,
    DetectionTask,
    SegmentationTask,
)
from edge_mtl.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from edge_mtl.export.foreign.decoders import Row
    from edge_mtl.export.foreign.wanted import Wanted

_MOST_SHOWN = 8


def listed(found: Mapping[str, tuple[int, ...]]) -> str:
    """Names and shapes, for messages."""
    return _some([f"{name} {text_of(shape)}" for name, shape in found.items()])


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _MOST_SHOWN} more" if len(words) > _MOST_SHOWN else ""
    return (", ".join(words[:_MOST_SHOWN]) or "none") + more


def no_tensor(
    source: str, name: str, tensor: str, outputs: Sequence[str], known: Collection[str]
) -> NetworkImportError:
    near = difflib.get_close_matches(tensor, known, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ";"
    return NetworkImportError(
        f"{source}: import.outputs.{name} = {tensor!r} is no tensor of the network{meant} its "
        f"outputs are {_some(outputs)}"
    )


def not_named(
    source: str,
    tensor: TensorSpec,
    outputs: Mapping[str, tuple[int, ...]],
    fitting: Sequence[str],
) -> NetworkImportError:
    chosen = fitting[0] if fitting else next(iter(outputs), "NAME")
    which = "more than one that fits" if fitting else "none of that shape"
    return NetworkImportError(
        f"{source}: the spec's {tensor.name} is {text_of(tensor.shape)}, and of the network's "
        f"other outputs ({listed(outputs)}) {which}; write {tensor.name} = "
        f'"{chosen}", or whichever it is, in [import.outputs]'
    )


def check_kind(
    graph: onnx.GraphProto,
    source: str,
    name: str,
    value: NDArray[Any],
    again: NDArray[Any],
    wanted: Sequence[Wanted],
    sources: Sequence[Source],
) -> None:
    """Refuse a tensor that holds decisions instead of logits, or as many rows as were found.

    value, again: for two pictures.

    Raises:
        NetworkImportError: it does.
    """
    each, origin = next(
        (each, origin)
        for each, origin in zip(wanted, sources, strict=True)
        if name in origin.tensors
    )
    choice = choice_before(graph, name)
    whole = value.dtype.kind in "iub"
    if choice is not None and (whole or np.array_equal(value, np.rint(value))):
        raise NetworkImportError(
            f"{source}: {name} ({text_of(value.shape)}) holds the classes that {choice.op_type} "
            f"node {choice.name!r} chose, expected logits of {each.tensor.name}; write "
            f'{each.tensor.name} = "{choice.input[0]}", the tensor that it reads, in '
            "[import.outputs]"
        )
    if whole:
        raise NetworkImportError(
            f"{source}: {name} ({text_of(value.shape)}) is {value.dtype}, expected logits or "
            f"scores of {each.tensor.name} as floats; name a tensor before the classes are chosen"
        )
    suppression = suppression_before(graph, name)
    if value.shape != again.shape or (suppression is not None and not _steady(origin)):
        node = f" by {suppression.op_type} node {suppression.name!r}" if suppression else ""
        before = (
            f'; write {each.tensor.name} = {{ tensor = ["{suppression.input[0]}", '
            f'"{suppression.input[1]}"] }}, what that node reads, in [import.outputs]'
            if suppression
            else "; export the network without non-maximum suppression"
        )
        raise NetworkImportError(
            f"{source}: {name} has as many rows as boxes are kept{node}, "
            f"{text_of(value.shape)} and {text_of(again.shape)} in two pictures{before}"
        )
    if not np.isfinite(value).all():
        share = float(np.mean(~np.isfinite(value)))
        raise NetworkImportError(
            f"{source}: {share:.1%} of {name} is infinite or no number; mend mean and std in "
            "[input], or export the network in float32"
        )


def _steady(origin: Source) -> bool:
    return origin.encoding == "end_to_end"


def channel_range(
    source: str, wanted: Wanted, origin: Source, found: tuple[int, ...], total: int | None
) -> NetworkImportError:
    needed = wanted.tensor.shape[1]
    start = origin.channels[0] if origin.channels else 0
    return NetworkImportError(
        f"{source}: {wanted.tensor.name} needs {needed} channels of {wanted.tensor.shape[2]}x"
        f"{wanted.tensor.shape[3]} cells, found channels = {list(origin.channels or ())} of "
        f"{origin.tensors[0]} {text_of(found)}"
        + (f" with {total}" if total else "")
        + f"; write channels = [{start}, {start + needed}], or mend the task's classes or strides"
    )


def shape(source: str, wanted: Wanted, name: str, found: tuple[int, ...]) -> NetworkImportError:
    """A tensor that is no map of the task's classes and cells."""
    expected = wanted.tensor.shape
    return NetworkImportError(
        f"{source}: task {wanted.task.name!r} expects {wanted.tensor.name} as "
        f"{text_of(expected)}, {name} is {text_of(found)}: {_advice(wanted, found)}"
    )


def _advice(wanted: Wanted, found: tuple[int, ...]) -> str:
    task = wanted.task
    _, channels, height, width = wanted.tensor.shape
    if isinstance(task, ClassificationTask):
        count = math.prod(found)
        return f"the spec names {channels} classes; name {count} in classes = [...]"
    solid = tuple(n for n in found if n != 1)
    same = shapes.channels_of(found, height * width)
    if same is not None and shapes.fits(found, (1, same, height, width)):
        if isinstance(task, DetectionTask) and "_boxes_" in wanted.tensor.name:
            if same % 4 == 0:
                bins = f"bins = {same // 4}" if same > 4 else "leave out bins"
                return f"it has {same} channels; write {bins} in the task"
        elif isinstance(task, SegmentationTask) and same == 1 and channels == 2:
            return "one logit says which of two classes it is; write binary = true in the task"
        elif isinstance(task, SegmentationTask) and task.binary and same == 2:
            return "it has a logit for each class; leave out binary = true in the task"
        elif isinstance(task, DetectionTask) and same > channels:
            return (
                f"the spec names {channels} classes, it has {same} channels; name {same} in "
                "classes = [...], or, where it holds boxes too, write channels = [START, STOP] "
                "in [import.outputs]"
            )
        return f"the spec names {channels} classes; name {same} in classes = [...]"
    if len(solid) == 3 and isinstance(task, SegmentationTask):
        # The side that is unlike the others, or that the classes say, holds the channels.
        first = solid[0] == channels or (solid[2] != channels and solid[0] <= solid[2])
        rows, columns = (solid[1], solid[2]) if first else (solid[0], solid[1])
        return f"it has {columns}x{rows} cells; write {_cells(wanted, columns, rows)} in the task"
    if len(solid) == 3:
        return "it has other cells; mend the task's strides, or name another tensor"
    return "it is no map of classes; name another tensor in [import.outputs]"


def _cells(wanted: Wanted, columns: int, rows: int) -> str:
    task = wanted.task
    assert isinstance(task, SegmentationTask)
    # The input's size is that of stride 1.
    for stride in range(1, 129):
        width, height = wanted.size
        if (-(-width // stride), -(-height // stride)) == (columns, rows):
            return f"stride = {stride}"
    return f"grid = [{columns}, {rows}]"


def candidates(
    source: str, task: DecodedDetectionTask, origin: Source, found: tuple[int, ...]
) -> NetworkImportError:
    """A tensor without the candidates that the task names, or with them on another axis."""
    solid = tuple(n for n in found if n != 1)
    if len(solid) == 2 and task.candidates in solid:
        other = "channels_last" if task.layout == "channels_first" else "channels_first"
        advice = f'they lie the other way round; write layout = "{other}" in the task'
    elif len(solid) == 2:
        first = task.layout == "channels_first"
        count = solid[1] if first else solid[0]
        width = solid[0] if first else solid[1]
        if count < width:  # a network has more candidates than numbers about one
            count, other = width, "channels_last" if first else "channels_first"
            advice = f'write candidates = {count} and layout = "{other}" in the task'
        else:
            advice = f"write candidates = {count} in the task"
    elif len(solid) in (3, 4):
        advice = (
            "it is a map of cells, not a list of boxes; export the network with its boxes decoded, "
            'or describe its levels as a task of type = "detection"'
        )
    else:
        advice = "name another tensor in [import.outputs]"
    return NetworkImportError(
        f"{source}: task {task.name!r} expects {task.candidates} candidates, {task.layout}, "
        f"{_some(origin.tensors)} is {text_of(found)}: {advice}"
    )


def box_channels(
    source: str,
    task: DecodedDetectionTask,
    origin: Source,
    row: Row,
    found: int,
    shapes_found: Iterable[tuple[int, ...]],
) -> NetworkImportError:
    """A list of boxes with other numbers than the task's."""
    expected = row.channels(task, origin)
    classes = len(task.classes)
    advice = f"name {classes + found - expected} in classes = [...]"
    if origin.encoding in ("decoded", "yolox"):
        if found == expected + 1 and not task.objectness:
            advice = (
                f"write objectness = true in the task, or {advice}"
                if len(origin.tensors) == 1
                else f'write background = "first" or "last" in import.outputs.{task.name}, where '
                f"one score is of nothing at all, or {advice}"
            )
        elif found == expected - 1 and task.objectness:
            advice = f"leave out objectness = true in the task, or {advice}"
        if found == 6 and expected != 6:
            advice += (
                '; where they are a score and the index of a class, write encoding = "end_to_end" '
                "in [import.outputs]"
            )
        elif found < 5:
            advice = (
                "it holds no scores; join them: "
                f'{task.name} = {{ tensor = ["{origin.tensors[0]}", "SCORES"] }}'
            )
    elif origin.encoding == "end_to_end":
        advice = 'leave out encoding = "end_to_end"'
    return NetworkImportError(
        f"{source}: task {task.name!r} expects {expected} numbers a candidate ({row.says}, with "
        f"{classes} classes), {_some(origin.tensors)} "
        f"({', '.join(map(text_of, shapes_found))}) has {found}; {advice}"
    )
