"""How networks from elsewhere write boxes, and the nodes that make decoded detections of them.

Every encoding is a row of `ENCODINGS`: how many channels it has for a task, and a function that
appends the nodes. They stand behind the network in the same graph, in float.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mtl.export.foreign.graph_edits import Writer
from edge_mtl.export.foreign.import_error import NetworkImportError
from edge_mtl.export.foreign.import_spec import Encoding, Source
from edge_mtl.tasks import DecodedDetectionTask

_OBJECT_POWER, _CLASS_POWER = 0.6, 0.4


@dataclass(frozen=True, slots=True)
class Candidates:
    """A tensor (1, C, N), or (1, N, C) where `axis`, that of the channels, is 2.

    size: (width, height) of the network's input.
    """

    tensor: str
    axis: int
    task: DecodedDetectionTask
    source: Source
    size: tuple[int, int]

    def along(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C, N) constants, either 1, as they lie beside the tensor."""
        return (values if self.axis == 1 else values.T)[None]


Decode = Callable[[Writer, Candidates], str]


@dataclass(frozen=True, slots=True)
class Row:
    """An encoding: its channels in words and in number, and what decodes it."""

    says: str
    channels: Callable[[DecodedDetectionTask, Source], int]
    decode: Decode


def decoded(writer: Writer, found: Candidates) -> str:
    """4 numbers of a box, an objectness where the task has one, a score per class and, where the
    source says so, one of the background, which is left out."""
    boxes = _part(writer, found, 0, 4)
    scores = _rest(writer, found, 4)
    if found.source.boxes == "parts":
        sides = np.array(found.size * 2, np.float32)[:, None]
        boxes = writer.node("Mul", boxes, writer.constant(found.along(sides)))
    if found.source.scores == "logits":
        scores = writer.node("Sigmoid", scores)
    elif found.source.scores == "softmax":
        scores = writer.node("Softmax", scores, axis=found.axis)
    if found.source.background != "none":
        first = int(found.source.background == "first")
        scores = writer.slice(scores, found.axis, first, first + len(found.task.classes))
    as_it_is = ("pixels", "scores", "none")
    plain = (found.source.boxes, found.source.scores, found.source.background) == as_it_is
    return found.tensor if plain else writer.join(found.axis, boxes, scores)


def end_to_end(writer: Writer, found: Candidates) -> str:
    """4 numbers of a box, its score, and the index of its class: non-maximum suppression is done.

    Of the classes that the index does not name the score is 0.
    """
    boxes = _part(writer, found, 0, 4)
    if found.source.boxes == "parts":
        sides = np.array(found.size * 2, np.float32)[:, None]
        boxes = writer.node("Mul", boxes, writer.constant(found.along(sides)))
    score, index = _part(writer, found, 4, 5), _part(writer, found, 5, 6)
    numbers = np.arange(len(found.task.classes), dtype=np.float32)[:, None]
    apart = writer.node("Sub", index, writer.constant(found.along(numbers)))
    near = writer.node("Less", writer.node("Abs", apart), writer.scalar(0.5))
    scores = writer.node("Mul", score, writer.node("Cast", near, to=1))
    return writer.join(found.axis, boxes, scores)


def yolox(writer: Writer, found: Candidates) -> str:
    """x, y from the cell's corner and the logarithms of width and height, all in strides.

    Ge et al., YOLOX, 2021, arXiv:2107.08430; what `export_onnx.py` without
    `--decode_in_inference` writes. Cells lie level by level, row by row.
    """
    task, strides = found.task, found.source.strides
    corners, units = [], []
    for stride in strides:
        columns, rows = (-(-side // stride) for side in found.size)
        y, x = np.indices((rows, columns)).reshape(2, -1)
        corners.append(np.stack([x, y]))
        units.append(np.full(rows * columns, stride))
    corner, unit = np.concatenate(corners, 1), np.concatenate(units)[None]
    if corner.shape[1] != task.candidates:
        raise NetworkImportError(
            f"task {task.name!r}: strides {list(strides)} have {corner.shape[1]} cells in an input "
            f"of {found.size[0]}x{found.size[1]}, the network has {task.candidates} candidates; "
            f"write strides = [...] of its levels in import.outputs.{task.name}"
        )
    scale = writer.constant(found.along(unit.astype(np.float32)))
    middle = writer.node(
        "Add", _part(writer, found, 0, 2), writer.constant(found.along(corner.astype(np.float32)))
    )
    extent = writer.node("Exp", _part(writer, found, 2, 4))
    boxes = writer.node("Mul", writer.join(found.axis, middle, extent), scale)
    scores = _rest(writer, found, 4)
    if found.source.scores == "logits":
        scores = writer.node("Sigmoid", scores)
    return writer.join(found.axis, boxes, scores)


def fastestdet(writer: Writer, found: Candidates) -> str:
    """An object's score, tanh offsets of the box's centre from the cell's corner in cells, logits
    of width and height in parts of the picture, and the classes' scores, of one level of cells.

    https://github.com/dog-qiuqiu/FastestDet; a score is object ** 0.6 * class ** 0.4.
    """
    width, height = found.size
    count = found.task.candidates
    columns = round((count * width / height) ** 0.5)
    rows = count // max(1, columns)
    if rows * columns != count:
        raise NetworkImportError(
            f"task {found.task.name!r}: {count} candidates are no grid of cells over an input of "
            f'{width}x{height}; encoding = "fastestdet" is for networks with one level'
        )
    y, x = np.indices((rows, columns)).reshape(2, -1).astype(np.float32)
    cell = np.array([[width / columns], [height / rows]], np.float32)
    corner = writer.constant(found.along(np.stack([x, y])))
    middle = writer.node("Add", writer.node("Tanh", _part(writer, found, 1, 3)), corner)
    middle = writer.node("Mul", middle, writer.constant(found.along(cell)))
    extent = writer.node("Sigmoid", _part(writer, found, 3, 5))
    whole = np.array([[width], [height]], np.float32)
    extent = writer.node("Mul", extent, writer.constant(found.along(whole)))
    score = writer.node("Pow", _part(writer, found, 0, 1), writer.scalar(_OBJECT_POWER))
    classes = writer.node("Pow", _rest(writer, found, 5), writer.scalar(_CLASS_POWER))
    return writer.join(found.axis, middle, extent, writer.node("Mul", score, classes))


def _plain_channels(task: DecodedDetectionTask, source: Source) -> int:
    return 4 + task.objectness + len(task.classes) + (source.background != "none")


ENCODINGS: dict[Encoding, Row] = {
    "decoded": Row("4 + objectness + classes", _plain_channels, decoded),
    "end_to_end": Row("4 + score + class index", lambda task, source: 6, end_to_end),
    "yolox": Row("4 + objectness + classes", _plain_channels, yolox),
    "fastestdet": Row(
        "object + 4 + classes", lambda task, source: 5 + len(task.classes), fastestdet
    ),
}


def _part(writer: Writer, found: Candidates, start: int, stop: int) -> str:
    return writer.slice(found.tensor, found.axis, start, stop)


def _rest(writer: Writer, found: Candidates, start: int) -> str:
    return writer.slice(found.tensor, found.axis, start, np.iinfo(np.int64).max)
