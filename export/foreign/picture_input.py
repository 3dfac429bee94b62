"""The input of a network from elsewhere, made the one that the preprocessing kernel writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.export.foreign.graph_edits import Writer, rename_tensor, tensor_names
from edge_mtl.export.foreign.import_error import NetworkImportError
from edge_mtl.export.foreign.import_spec import ImportTable
from edge_mtl.export.foreign.loading import dimensions
from edge_mtl.spec import InputSpec

_COLOURS = 3
_ONLY_COLOURS = "only networks that take colour pictures can be imported"
_WHOLE_RANGE = 128.0
_TO_NHWC = (0, 2, 3, 1)
_WHOLE = (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64)


def adapt_input(
    model: onnx.ModelProto, picture: InputSpec, table: ImportTable, source: str
) -> None:
    """Give the graph the one input that the spec has, (1, 3, height, width) float32, in place.

    What the network wants otherwise (channels last, blue first, whole numbers) is done by nodes in
    front of it; a first convolution takes the order of colours into its weights.

    Raises:
        NetworkImportError: the input is not named, no picture, or of another size.
    """
    graph = model.graph
    _fill_constants(graph, table, source)
    value = _image_input(graph, table, source)
    shape = dimensions(value)
    layout = table.layout or _layout(value.name, shape, source)
    _check_size(value.name, shape, layout, picture, source)

    kind = value.type.tensor_type.elem_type
    if kind in _WHOLE and float(np.ptp(picture.normalization())) < _WHOLE_RANGE:
        raise NetworkImportError(
            f"{source}: input {value.name!r} takes whole numbers, 0 to 255, the spec's mean and "
            "std make others of them; write mean = [0.0, 0.0, 0.0] and std = "
            "[0.00392156862745098, 0.00392156862745098, 0.00392156862745098] in [input]"
        )
    inner = _free_name(graph, f"{value.name}_raw")
    rename_tensor(graph, value.name, inner)
    if picture.name in tensor_names(graph) - {inner}:
        rename_tensor(graph, picture.name, _free_name(graph, f"{picture.name}_inner"))
    del graph.input[:]
    extent = (1, _COLOURS, picture.height, picture.width)
    graph.input.append(helper.make_tensor_value_info(picture.name, TensorProto.FLOAT, extent))

    writer = Writer(graph)
    made: list[tuple[str, list[str], dict[str, Any]]] = []
    if table.colours == "bgr" and not _swap_in_convolutions(graph, inner, layout, kind):
        made.append(("Gather", [writer.numbers(2, 1, 0)], {"axis": 1}))
    if layout == "nhwc":
        made.append(("Transpose", [], {"perm": _TO_NHWC}))
    if len(shape) == 3:
        made.append(("Squeeze", [writer.numbers(0)], {}))
    if kind != TensorProto.FLOAT:
        if kind in _WHOLE:  # a Cast alone would cut 254.99999 down to 254
            made.append(("Round", [], {}))
        made.append(("Cast", [], {"to": kind}))
    if not made:
        rename_tensor(graph, inner, picture.name)
        return
    nodes, name = [], picture.name
    for i, (operator, more, attributes) in enumerate(made):
        output = inner if i == len(made) - 1 else writer.name("input")
        node = helper.make_node(
            operator, [name, *more], [output], writer.name(operator), **attributes
        )
        nodes.append(node)
        name = output
    for node in reversed(nodes):
        graph.node.insert(0, node)


def image_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that may be a picture: of rank 4, or 3 without a batch."""
    pictures = [value for value in graph.input if len(dimensions(value)) == 4]
    return pictures or [value for value in graph.input if len(dimensions(value)) == 3]


def layout_of(shape: Sequence[int | None]) -> Literal["nchw", "nhwc"] | None:
    """Where the colours are, of a picture's shape with or without a batch; None where none are."""
    colours, *_, last = shape[-3:]
    if colours == _COLOURS:
        return "nchw"
    return "nhwc" if last == _COLOURS else None


def _image_input(graph: onnx.GraphProto, table: ImportTable, source: str) -> onnx.ValueInfoProto:
    names = ", ".join(f"{value.name} {text_of(dimensions(value))}" for value in graph.input)
    if table.input is not None:
        found = [value for value in graph.input if value.name == table.input]
        if not found:
            raise NetworkImportError(
                f"{source}: import.input = {table.input!r} is none of the network's inputs, which "
                f"are {names or 'none'}; name one of these"
            )
    else:
        found = image_inputs(graph)
        if len(found) != 1:
            raise NetworkImportError(
                f"{source}: expected one input that is a picture, found {names or 'none'}; write "
                'input = "NAME" in [import]'
            )
    others = [value.name for value in graph.input if value.name != found[0].name]
    if others:
        raise NetworkImportError(
            f"{source}: beside the picture the network takes {', '.join(others)}, which nothing "
            f"gives it; write the value in [import.constants], such as {others[0]} = [[1.0, 1.0]]"
        )
    if len(dimensions(found[0])) not in (3, 4):
        raise NetworkImportError(
            f"{source}: input {found[0].name!r} has the shape {text_of(dimensions(found[0]))}, "
            "expected 1x3xHxW or 1xHxWx3; export the network with a picture as its input"
        )
    return found[0]


def _fill_constants(graph: onnx.GraphProto, table: ImportTable, source: str) -> None:
    for name, given in table.constants.items():
        found = [value for value in graph.input if value.name == name]
        if not found:
            raise NetworkImportError(
                f"{source}: import.constants.{name} is none of the network's inputs, which are "
                f"{', '.join(value.name for value in graph.input)}; name one of these"
            )
        kind = helper.tensor_dtype_to_np_dtype(found[0].type.tensor_type.elem_type)
        graph.initializer.append(numpy_helper.from_array(np.array(given, kind), name))
        graph.input.remove(found[0])


def _layout(name: str, shape: tuple[int | None, ...], source: str) -> Literal["nchw", "nhwc"]:
    found = layout_of(shape)
    if found is not None:
        return found
    if None in (shape[-3], shape[-1]):
        return "nchw"  # what nearly every exporter writes, and running it will tell
    raise NetworkImportError(
        f"{source}: input {name!r} has the shape {text_of(shape)}, expected 3 colours in it as "
        f"1x3xHxW or 1xHxWx3; {_ONLY_COLOURS}"
    )


def _check_size(
    name: str, shape: tuple[int | None, ...], layout: str, picture: InputSpec, source: str
) -> None:
    if len(shape) == 4 and shape[0] not in (None, 1):
        raise NetworkImportError(
            f"{source}: input {name!r} has a fixed batch of {shape[0]}; export the network with a "
            "batch of 1, or a free one"
        )
    colours, height, width = shape[-3:] if layout == "nchw" else (shape[-1], *shape[-3:-1])
    if colours not in (None, _COLOURS):
        other = layout_of(shape)
        raise NetworkImportError(
            f"{source}: layout = {layout!r} makes {colours} colours of input {name!r}, "
            f"{text_of(shape)}, expected {_COLOURS}; "
            + (f"write layout = {other!r} in [import]" if other else _ONLY_COLOURS)
        )
    for side, found, wanted in (
        ("width", width, picture.width),
        ("height", height, picture.height),
    ):
        if found not in (None, wanted):
            raise NetworkImportError(
                f"{source}: the network takes pictures of {width}x{height}, the spec says "
                f"{side} = {wanted}; write {side} = {found} in [input]"
            )


def _swap_in_convolutions(graph: onnx.GraphProto, name: str, layout: str, kind: int) -> bool:
    """Turn red and blue around in the weights of the convolutions that read the picture; False
    where something else reads it too."""
    readers = [node for node in graph.node if name in node.input]
    weights = {each.name: each for each in graph.initializer}
    shared = [each for node in graph.node for each in node.input]
    fits = layout == "nchw" and kind == TensorProto.FLOAT and bool(readers)
    for node in readers:
        weight = weights.get(node.input[1]) if node.op_type == "Conv" else None
        fits = (
            fits
            and weight is not None
            and weight.dims[1] == _COLOURS
            and shared.count(weight.name) == 1
            and len(weight.dims) == 4
        )
    if not fits:
        return False
    for node in readers:
        weight = weights[node.input[1]]
        turned = numpy_helper.to_array(weight)[:, ::-1]
        weight.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(turned), weight.name))
    return True


def text_of(shape: Sequence[int | None]) -> str:
    """1x3x?x?"""
    return "x".join("?" if size is None else str(size) for size in shape) or "a single number"


def _free_name(graph: onnx.GraphProto, wanted: str) -> str:
    taken = tensor_names(graph)
    while wanted in taken:
        wanted += "_"
    return wanted
