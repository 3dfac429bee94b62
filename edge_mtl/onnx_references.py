"""Find the references to other files in a serialised ONNX graph, without the `onnx` package.

A tensor of a graph may lie in a file beside it, at a path that the graph names. Engines open that
file when they load the graph: of a graph from memory, today's any file below the current folder,
older ones any file at all. A graph that somebody sent could so carry a file of this machine into
its outputs. A bundle's graph holds all its tensors itself.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_MOST_DEPTH = 32

# By message, the fields (onnx.proto) that hold messages in which a tensor may be.
_WITH_TENSORS: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Training": {1: "Graph", 2: "Graph"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_IR_VERSION, _GRAPH = 1, 7


class NotOnnxError(Exception):
    """The bytes are no serialised ONNX model."""


def refers_to_files(model: bytes) -> bool:
    """Whether a tensor of a serialised ONNX model lies, or is said to lie, in another file.

    Raises:
        NotOnnxError: it is no ONNX model. Engines try other formats then, which may refer to files
            too.
    """
    if model[4:8] == b"ORTM":
        raise NotOnnxError("it is in the format of ONNX Runtime")
    fields = {number: wire for number, wire, _, _ in _fields(model, 0, len(model))}
    if fields.get(_IR_VERSION) != _VARINT or fields.get(_GRAPH) != _BYTES:
        raise NotOnnxError("it has no graph")
    return _message_refers("Model", model, 0, len(model), 0)


def _message_refers(kind: str, data: bytes, start: int, end: int, depth: int) -> bool:
    if depth > _MOST_DEPTH:
        raise NotOnnxError("its graphs are nested too deeply")
    if kind == "Tensor":
        return any(
            number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
            for number, _, value, _ in _fields(data, start, end)
        )
    inside = _WITH_TENSORS[kind]
    for number, wire, begin, stop in _fields(data, start, end):
        if number in inside:
            if wire != _BYTES:
                raise NotOnnxError(f"field {number} is no message")
            if _message_refers(inside[number], data, begin, stop, depth + 1):
                return True
    return False


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The number and the wire type of every field of the message in data[at:end], and where its
    contents begin and end; for a number, that number and 0."""
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at, end)
            yield number, wire, value, 0
            continue
        if wire == _BYTES:
            size, at = _varint(data, at, end)
        elif wire in (_FIXED_32, _FIXED_64):
            size = 4 if wire == _FIXED_32 else 8
        else:
            raise NotOnnxError(f"it has a field of wire type {wire}")
        if not number or size > end - at:
            raise NotOnnxError("it ends within a field")
        yield number, wire, at, at + size
        at += size


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise NotOnnxError("it ends within a number")
