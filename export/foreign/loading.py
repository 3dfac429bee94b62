"""Any ONNX file into a plain float32 graph: what the rest of the import works on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, inliner, numpy_helper, version_converter

from edge_mtl.export.foreign.graph_edits import all_graphs
from edge_mtl.export.foreign.import_error import NetworkImportError
from edge_mtl.export.layers import name_nodes

OLDEST_OPSET, OPSET = 13, 17
"""Per-channel quantisation needs the first; older files are brought to the second."""
_IR_VERSION = 10  # the newest that no runtime of the last two years refuses
_HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
_CHECKED_BYTES = 16


def read_network(path: Path, *, weights: bool = True) -> onnx.ModelProto:
    """The graph of an ONNX file, with weights that lie in other files beside it.

    weights: False leaves out those of other files.

    Raises:
        NetworkImportError: there is no such file, it is no ONNX network, or a file of weights is
            missing.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except FileNotFoundError:
        raise NetworkImportError(
            f"{path}: no such file; give the path of an ONNX network"
        ) from None
    except OSError as error:
        raise NetworkImportError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception:  # protobuf's, which ONNX does not pass on under a name of its own
        raise NetworkImportError(f"{path}: {_no_network(path)}") from None
    if not model.graph.node or not model.opset_import:
        raise NetworkImportError(f"{path}: {_no_network(path)}")
    if weights:
        try:
            onnx.load_external_data_for_model(model, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            files = sorted({name for each in _tensors(model) for name in _location(each)})
            raise NetworkImportError(
                f"{path}: its weights lie in {', '.join(files)}, which cannot be read "
                f"({' '.join(str(error).split())}); put these files beside it"
            ) from None
    return model


def _no_network(path: Path) -> str:
    start = path.read_bytes()[:_CHECKED_BYTES]
    kinds = {
        b"PK\x03\x04": "a zip, such as a PyTorch checkpoint or a bundle",
        b"\x80\x02": "a pickle, such as an old PyTorch checkpoint",
        b"<?xm": "XML, such as OpenVINO's",
        b"\x89HDF": "HDF5, such as a Keras model",
    }
    found = next((kind for magic, kind in kinds.items() if start.startswith(magic)), None)
    if start[4:8] == b"TFL3":
        found = "a TensorFlow Lite model"
    if not start:
        found = "an empty file"
    return (
        f"expected an ONNX network, found {found or 'something else'}; export it to ONNX, for "
        "example with torch.onnx.export"
    )


def normalised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network without functions, halves and overridable weights; `model` is not to be
    used any more."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    weights = {each.name for each in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if len(inputs) < len(graph.input):
        inputs = [onnx.ValueInfoProto.FromString(each.SerializeToString()) for each in inputs]
        del graph.input[:]
        graph.input.extend(inputs)
    name_nodes(model)
    halves_to_float(model)
    model.ir_version = min(model.ir_version, _IR_VERSION)
    return model


def modern(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The network in operators of opset 13 or newer; itself where it is.

    Raises:
        NetworkImportError: ONNX cannot bring its operators to opset 17.
    """
    opset = default_opset(model)
    if opset >= OLDEST_OPSET:
        return model
    older = onnx.ModelProto.FromString(model.SerializeToString())
    older.ir_version = max(older.ir_version, 4)
    try:
        return version_converter.convert_version(older, OPSET)
    except Exception as error:  # it raises RuntimeError and others
        raise NetworkImportError(
            f"{path}: is of ONNX opset {opset} and cannot be brought to {OPSET} "
            f"({' '.join(str(error).split())}); export it again with opset_version={OPSET}"
        ) from None


def default_opset(model: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that a network needs; 0 where it uses none."""
    return max((each.version for each in model.opset_import if not each.domain), default=0)


def halves_to_float(model: onnx.ModelProto) -> bool:
    """Make float32 of every 16-bit float, in place; True where there was one.

    Its weights are the same numbers; what is computed with them is rounded less.
    """
    found = False
    for graph in all_graphs(model.graph):
        for weight in graph.initializer:
            found |= _widen(weight)
        for value in (*graph.input, *graph.output, *graph.value_info):
            kind = value.type.tensor_type
            if kind.elem_type in _HALVES:
                kind.elem_type = TensorProto.FLOAT
                found = True
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    found |= _widen(attribute.t)
                elif attribute.name in ("to", "dtype") and attribute.i in _HALVES:
                    attribute.i = TensorProto.FLOAT
                    found = True
    return found


def _widen(tensor: onnx.TensorProto) -> bool:
    if tensor.data_type not in _HALVES:
        return False
    values = numpy_helper.to_array(tensor).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return True


def dimensions(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    """The shape of an edge; None where it is free."""
    sizes = value.type.tensor_type.shape.dim
    return tuple(each.dim_value if each.dim_value > 0 else None for each in sizes)


def fix_shape(value: onnx.ValueInfoProto, shape: tuple[int, ...], kind: int) -> None:
    """Give an edge a type and a shape."""
    value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shape))


def constant_values(graph: onnx.GraphProto) -> dict[str, Any]:
    """By name, the arrays of a graph's weights and Constant nodes."""
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return values


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in all_graphs(model.graph):
        yield from graph.initializer


def _location(tensor: onnx.TensorProto) -> list[str]:
    return [each.value for each in tensor.external_data if each.key == "location"]
