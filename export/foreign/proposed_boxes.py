"""Which outputs of a network may be boxes: guesses by shape, range and what an exporter noted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_mtl.export.foreign.graph_edits import producers
from edge_mtl.export.foreign.proposed_task import Output, ProposedTask, TaskNames, class_names
from edge_mtl.export.foreign.tracing import activation_before

_STRIDES = (4, 8, 16, 32, 64, 128)
_MOST_CLASSES = 254
_BINS = (32, 16, 8)
_LEVELS = ((8, 16, 32), (8, 16, 32, 64), (16, 32), (8, 16), (4, 8, 16, 32))
_END_TO_END_ROWS = 1000
_ANCHORS = 3
_PROTOTYPES = 32  # of all YOLO networks that find instances


def decoded_boxes(
    output: Output,
    size: tuple[int, int],
    called: TaskNames,
    names: Sequence[str],
    notes: Mapping[str, Any],
    coefficients: int,
) -> ProposedTask | str:
    """The task, or why it is none.

    coefficients: how many numbers of a candidate are there to make its mask.
    """
    first, second = output.solid
    columns = first < second
    count, channels = (second, first) if columns else (first, second)
    rows = output.value.reshape(first, second)
    rows = rows.T if columns else rows
    end_to_end = channels == 6 and count <= _END_TO_END_ROWS and _whole(rows[:, 5])
    cells = {sum(_cells(s, size) for s in strides): strides for strides in _LEVELS}
    turned = notes.get("task") == "obb"  # by an angle, the last number
    extras = notes.get("kpt_shape")
    points = int(np.prod(extras)) if isinstance(extras, (list, tuple)) and extras else 0
    extra = channels - 4 - turned - points
    if extra - coefficients < 1:
        coefficients = 0
    extra -= coefficients
    objectness = False
    source = [f"tensor = {json.dumps(output.name)}"]
    task = ProposedTask("decoded_detection", called(output.name, "detection"), ())
    if end_to_end:
        task.remarks.append("box, score, class index: non-maximum suppression is done inside")
        source.append('encoding = "end_to_end"')
        classes = max(1, len(names), 1 + round(float(rows[:, 5].max())))
    elif names and extra - len(names) in (0, 1):
        objectness = extra - len(names) == 1
        classes = len(names)
    else:
        # YOLOv5 and its kin have rows and an objectness, YOLOv8 and its kin columns and none.
        objectness = not columns or count // _ANCHORS in cells
        classes = extra - objectness
        task.remarks.append(
            "guessed: an objectness" + ("" if objectness else " is missing") + ", by the layout"
        )
    if coefficients:
        task.remarks.append(
            f"the last {coefficients} numbers of a candidate make masks, which are left out"
        )
    if turned:
        task.remarks.append("the angles of the boxes are left out: the head has upright ones only")
    used = 4 + objectness + classes
    if not end_to_end and used < channels:
        source.append(f"channels = [0, {used}]")
    boxes, scores = rows[:, :4], rows[:, 4 : 5 if end_to_end else used]
    strides = cells.get(count)
    if not end_to_end and strides and np.abs(boxes[:, 2:]).max() < 10 < max(size) / 8:
        if float(np.abs(boxes).max()) <= 1.5 and boxes.min() >= 0:
            source.append('boxes = "parts"')
        elif scores.min() < -1e-3 or scores.max() > 1 + 1e-3:
            return (
                f"{output.name} {count} cells of {channels} numbers, of which neither the first "
                "four are boxes nor the others scores; export the network with its boxes decoded, "
                "or name the raw levels before they are joined in [import.outputs]"
            )
        else:
            task.remarks.append("guessed: boxes as offsets from cells, as YOLOX has them")
            source += ['encoding = "yolox"', f"strides = {list(strides)}"]
    elif 0 < float(np.abs(boxes).max()) <= 1.5:
        source.append('boxes = "parts"')
    if scores.size and (scores.min() < -1e-3 or scores.max() > 1 + 1e-3):
        source.append('scores = "logits"')
    corners = end_to_end or bool(
        len(boxes) >= 64 and ((boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])).all()
    )
    task.classes, task.named = class_names(names, classes)
    task.fields.append(f"candidates = {count}")
    task.fields.append(f'layout = "channels_{"first" if columns else "last"}"')
    task.fields.append(f'box = "{"corners" if corners else "centre"}"')
    if objectness:
        task.fields.append("objectness = true")
    if end_to_end:
        task.fields.append("iou_threshold = 1.0  # nothing more is suppressed")
    value = source[0].partition(" = ")[2] if len(source) == 1 else f"{{ {', '.join(source)} }}"
    task.sources.append(f"{task.name} = {value}")
    return task


def prototypes(outputs: Sequence[Output]) -> Output | None:
    """The masks that YOLO networks for instances mix, (1, 32, H, W), beside their boxes."""
    boxes = [o for o in outputs if len(o.shape) == 3 and len(o.solid) == 2]
    if not any(min(o.solid) > 4 + _PROTOTYPES for o in boxes):
        return None
    maps = [o for o in outputs if len(o.shape) == 4 and o.shape[1] == _PROTOTYPES]
    return maps[0] if len(maps) == 1 else None


def is_fastestdet(graph: onnx.GraphProto, output: Output) -> bool:
    """Whether a sigmoid (an object), numbers and a softmax (the classes) are joined in it."""
    written = producers(graph)
    node = written.get(output.name)
    if node is None or node.op_type != "Concat" or len(node.input) != 3 or len(output.shape) != 4:
        return False
    first, boxes, classes = (activation_before(graph, name) for name in node.input)
    return (first, boxes, classes) == ("Sigmoid", None, "Softmax")


def fastestdet_boxes(output: Output, called: TaskNames, names: Sequence[str]) -> ProposedTask:
    """One level of cells as FastestDet has it."""
    _, channels, rows, columns = output.shape
    classes, named = class_names(names, channels - 5)
    task = ProposedTask("decoded_detection", called("", "detection"), classes, named=named)
    task.remarks.append("guessed: FastestDet, which joins an object's score, a box and classes")
    task.fields.append(f"candidates = {rows * columns}")
    task.sources.append(
        f'{task.name} = {{ tensor = {json.dumps(output.name)}, encoding = "fastestdet" }}'
    )
    return task


def boxes_and_scores(
    outputs: Sequence[Output], called: TaskNames, names: Sequence[str]
) -> tuple[list[Output], list[ProposedTask], str | None]:
    """Networks that give boxes (1, N, 4) and scores (1, N, C) apart: what is left of the outputs,
    the task, and why there is none."""
    flat = [o for o in outputs if len(o.shape) == 3 and o.shape[0] == 1]
    # Of two with four columns, the scores are what an activation has made.
    boxes = sorted((o for o in flat if 4 in o.shape[1:]), key=_are_shares)
    for box in boxes:
        count = box.shape[1] if box.shape[2] == 4 else box.shape[2]
        chosen = [o for o in outputs if o.shape == (1, count)]
        if len(chosen) == 2:
            those = [*chosen, box]
            problem = (
                f"{', '.join(o.name for o in those)}: boxes whose classes are chosen inside; name "
                "the boxes and the scores of all classes before the choice, as "
                'detection = { tensor = ["BOXES", "SCORES"] } in [import.outputs]'
            )
            return [o for o in outputs if o not in those], [], problem
        others = [o for o in flat if o is not box and count in o.shape[1:]]
        if len(others) != 1 or count < 10:
            continue
        [scores] = others
        channels = scores.shape[1] if scores.shape[2] == count else scores.shape[2]
        background = channels > 1 and _are_shares(scores)
        classes, named = class_names(names, channels - background)
        task = ProposedTask("decoded_detection", called("", "detection"), classes, named=named)
        task.remarks.append("boxes and scores are apart and are joined")
        last = box.shape[2] == 4
        coordinates = box.value[0]
        coordinates = coordinates if last else coordinates.T
        if coordinates.min() < -0.1 and np.abs(coordinates).max() < 10:
            problem = (
                f"{box.name} holds {coordinates.min():.2g} to {coordinates.max():.2g}: offsets "
                "from anchors, no boxes; export the network with its boxes decoded"
            )
            return [o for o in outputs if o not in (box, scores)], [], problem
        ordered = bool((coordinates[:, 2:] >= coordinates[:, :2]).all())
        layout = "channels_last" if last else "channels_first"
        task.fields += [f"candidates = {count}", f'layout = "{layout}"']
        task.fields.append(f'box = "{"corners" if ordered else "centre"}"  # guessed')
        source = [f"tensor = [{json.dumps(box.name)}, {json.dumps(scores.name)}]"]
        if float(np.abs(coordinates).max()) <= 1.5:
            source.append('boxes = "parts"')
        if background:
            task.remarks.append("guessed: the first of the scores, of a Softmax, is the background")
            source.append('background = "first"')
        elif scores.value.min() < -1e-3 or scores.value.max() > 1 + 1e-3:
            task.remarks.append(
                "guessed: a Sigmoid for each class; where a Softmax is wanted, as for DETR, write "
                'scores = "softmax", background = "last", and one class less'
            )
            source.append('scores = "logits"')
        task.sources.append(f"{task.name} = {{ {', '.join(source)} }}")
        return [o for o in outputs if o not in (box, scores)], [task], None
    return list(outputs), [], None


def _are_shares(output: Output) -> bool:
    """Whether a Softmax has made it."""
    sums = output.value.sum(axis=-1)
    return bool(output.value.min() >= 0 and np.abs(sums - 1).max() < 1e-3)


def box_levels(outputs: Sequence[Output], size: tuple[int, int]) -> dict[int, list[Output]]:
    """By stride, the maps of cells that two or more strides have alike."""
    width, height = size
    found: dict[int, list[Output]] = {}
    for output in outputs:
        if len(output.shape) != 4 or output.shape[0] != 1:
            continue
        for stride in _STRIDES:
            if output.shape[2:] == (-(-height // stride), -(-width // stride)):
                found.setdefault(stride, []).append(output)
    channels = [sorted(o.shape[1] for o in of) for of in found.values()]
    alike = len(found) >= 2 and all(each == channels[0] for each in channels)
    return dict(sorted(found.items())) if alike else {}


def from_levels(
    levels: Mapping[int, list[Output]], called: TaskNames, names: Sequence[str]
) -> tuple[ProposedTask | None, str | None]:
    """Raw anchor-free levels: one tensor a level with boxes before scores, or two."""
    strides = list(levels)
    first = levels[strides[0]]
    counts = [o.shape[1] for o in first]
    if len(first) == 1:
        total = counts[0]
        if total % _ANCHORS == 0 and (total // _ANCHORS - 5 == len(names) or total in (255,)):
            return None, (
                f"{first[0].name} holds {_ANCHORS} anchors a cell; export the network with its "
                "boxes decoded"
            )
        bins = next((b for b in _BINS[1:] if 0 < total - 4 * b <= _MOST_CLASSES), None)
        if names:
            bins = next((b for b in (*_BINS, 1) if total - 4 * b == len(names)), bins)
        channels = 4 * (bins or 1)
        pairs = {
            s: (f"{{ tensor = {json.dumps(o.name)}, channels = [{channels}, {total}] }}",
                f"{{ tensor = {json.dumps(o.name)}, channels = [0, {channels}] }}")
            for s, [o] in levels.items()
        }  # fmt: skip
        classes = total - channels
    elif len(first) == 2:
        boxes = next((o for o in first if o.shape[1] in (4, *(4 * b for b in _BINS))), None)
        if boxes is None or (counts[0] == counts[1] and counts[0] != 4):
            return None, None
        channels = boxes.shape[1]
        which = first.index(boxes)
        classes = counts[1 - which]
        bins = channels // 4
        pairs = {}
        for stride, pair in levels.items():
            order = sorted(pair, key=lambda o: o.shape[1] != channels)
            pairs[stride] = (json.dumps(order[1].name), json.dumps(order[0].name))
    else:
        return None, (
            f"its levels have {len(first)} tensors each, {', '.join(o.name for o in first)}, "
            "expected scores and boxes; export the network with its boxes decoded"
        )
    if classes < 1:
        return None, f"{first[0].name} has boxes and no scores"
    given, named = class_names(names, classes)
    task = ProposedTask("detection", called("", "detection"), given, named=named)
    task.remarks.append(
        "guessed: distances left, top, right, bottom from the cell's centre, in strides"
    )
    task.fields.append(f"strides = {strides}")
    if bins and bins > 1:
        task.fields.append(f"bins = {bins}")
    for stride, (score, box) in pairs.items():
        task.sources += [
            f"{task.name}_scores_{stride} = {score}",
            f"{task.name}_boxes_{stride} = {box}",
        ]
    return task, None


def _cells(stride: int, size: tuple[int, int]) -> int:
    return -(-size[0] // stride) * -(-size[1] // stride)


def _whole(values: NDArray[Any]) -> bool:
    return bool(np.array_equal(values, np.rint(values)) and values.min() >= 0)
