"""FP16 in the graph for what is not INT8, as strongly typed TensorRT needs it.

ONNX Runtime has such a converter (`onnxruntime.transformers.float16`), which is not used: it names
its casts after tensors, so that two operators that stay float and read the same tensor, or two
`Resize` with the same scales, give a graph with a name twice (1.31; TensorRT's parser refuses it);
and it knows nothing of the opset that half-precision Q/DQ needs.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter

from edge_mtl.errors import EdgeMtlError

HALF_QDQ_OPSET = 19
"""The first in which `QuantizeLinear` reads float16."""

PARITY_TOLERANCE = 0.05
"""Largest root mean square difference to the float graph, as a share of a tensor's deviation: that
of driving-s is 0.005 at most, of networks with random weights 0.02, of a wrong graph 0.4 and more.
What a task loses by it the accuracy gate judges."""

MARGIN = 8
"""How far below the end of float16 the activations of one picture must stay, for others."""

_FLOAT_ONLY = {"NonMaxSuppression", "Range", "CumSum", "TopK", "Upsample"}
_FLOAT_INPUTS = {"Resize": (1, 2)}  # region and scales
_LEAST, _MOST = float(np.finfo(np.float16).smallest_subnormal), float(np.finfo(np.float16).max)


class HalfPrecisionError(EdgeMtlError):
    """A graph cannot be computed in half precision."""


def half_precision(model: onnx.ModelProto, keep: Collection[str] = ()) -> onnx.ModelProto:
    """A copy that computes in float16 whatever it computed in float32. Its inputs and outputs keep
    their types: a cast stands at each that is float32.

    Scales of Q/DQ become float16 too, and the opset at least `HALF_QDQ_OPSET`.

    Args:
        keep: names of tensors that are computed in float32, such as `large_activations`.

    Raises:
        HalfPrecisionError: the graph has branches or loops, or a constant beyond float16.
    """
    opset = next(each.version for each in model.opset_import if each.domain == "")
    if opset < HALF_QDQ_OPSET and any(n.op_type == "QuantizeLinear" for n in model.graph.node):
        try:
            model = version_converter.convert_version(model, HALF_QDQ_OPSET)
        except RuntimeError as error:
            raise HalfPrecisionError(
                f"cannot bring the graph from opset {opset} to {HALF_QDQ_OPSET}, which FP16 needs "
                f"({' '.join(str(error).split())}); export it with that opset, or with "
                "--precision fp32"
            ) from None
    else:
        model = copy.deepcopy(model)
    graph = model.graph
    for node in graph.node:
        if any(
            each.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
            for each in node.attribute
        ):
            raise HalfPrecisionError(
                f"node {node.name} ({node.op_type}) holds a graph of its own, which is not "
                "converted to FP16; export with --precision fp32, or without branches and loops"
            )
    del graph.value_info[:]
    types = _types(model)
    floats = {name for name, kind in types.items() if kind == TensorProto.FLOAT}
    constants = {each.name: each for each in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    halves: dict[str, str] = {}  # by float32 tensor, its float16 cast
    widened: dict[str, str] = {}  # by float16 tensor, its float32 cast
    wide = {value.name for value in graph.input}  # float32 tensors of the new graph

    def as_half(name: str) -> str:
        if name in constants:
            if name not in halves:
                halves[name] = f"{name}_half"
                graph.initializer.append(_half(constants[name], halves[name]))
            return halves[name]
        if name not in wide:
            return name
        if name not in halves:
            halves[name] = f"{name}_half"
            nodes.append(_cast(name, halves[name], TensorProto.FLOAT16))
        return halves[name]

    def as_float(name: str) -> str:
        if name in constants or name in wide:
            return name
        if name not in widened:
            widened[name] = f"{name}_float"
            nodes.append(_cast(name, widened[name], TensorProto.FLOAT))
        return widened[name]

    for node in list(graph.node):
        stays = node.op_type in _FLOAT_ONLY or any(name in keep for name in node.output)
        fixed = range(len(node.input)) if stays else _FLOAT_INPUTS.get(node.op_type, ())
        for i, name in enumerate(node.input):
            if name in floats:
                node.input[i] = as_float(name) if i in fixed else as_half(name)
        nodes.append(node)
        if stays:
            wide.update(name for name in node.output if name in floats)
        else:
            _attributes_to_half(node)
    _restore_outputs(graph, nodes, wide, floats)
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unread_constants(graph)
    return model


def large_activations(
    floating: onnx.ModelProto, inputs: dict[str, NDArray[np.generic]]
) -> list[str]:
    """The tensors that come within `MARGIN` of the end of float16, in the float graph."""
    model = copy.deepcopy(floating)
    _bypass_pairs(model.graph)
    types = _types(model)
    peaks = {}
    for node in list(model.graph.node):
        for name in node.output:
            if types.get(name) == TensorProto.FLOAT:
                peak, size = f"{name}_peak", f"{name}_size"
                model.graph.node.append(helper.make_node("Abs", [name], [size]))
                model.graph.node.append(helper.make_node("ReduceMax", [size], [peak], keepdims=0))
                value = helper.make_tensor_value_info(peak, TensorProto.FLOAT, ())
                model.graph.output.append(value)
                peaks[peak] = name
    found = _run(model, inputs)
    return [name for peak, name in peaks.items() if not float(found[peak]) <= _MOST / MARGIN]


def check_half_precision(
    floating: onnx.ModelProto, half: onnx.ModelProto, inputs: dict[str, NDArray[np.generic]]
) -> dict[str, float]:
    """Run both in ONNX Runtime and compare tensor by tensor.

    On CPUs it computes a float16 graph in float32 and takes out the casts in between: what is
    compared is what became of the constants. For the range of activations see `large_activations`.

    Q/DQ pairs are bypassed in both: a value that falls a hair's breadth beside the edge of a step
    is rounded the other way, and what 8-bit networks make of that (a tenth of a tensor's deviation
    on `driving-s`) would hide what half precision does.

    Returns:
        By output the root mean square difference, relative to the deviation of the float one, or to
        a tenth of its size where it is nearly constant.

    Raises:
        HalfPrecisionError: one is above `PARITY_TOLERANCE`, or not finite.
    """
    results = []
    for model in (floating, half):
        bypassed = copy.deepcopy(model)
        _bypass_pairs(bypassed.graph)
        results.append(_run(bypassed, inputs))
    errors = {}
    for name, wanted in results[0].items():
        difference = results[1][name].astype(np.float64) - wanted.astype(np.float64)
        deviation = _spread(wanted.astype(np.float64))
        errors[name] = float(np.sqrt(np.mean(difference**2))) / deviation
        if not errors[name] <= PARITY_TOLERANCE:
            raise HalfPrecisionError(
                f"output {name!r} in FP16 differs from FP32 by {errors[name]:.2g} of its "
                f"deviation, at most {PARITY_TOLERANCE} was expected; export with --precision fp32"
            )
    return errors


def _run(
    model: onnx.ModelProto, inputs: dict[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.generic]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # Its optimiser computes a Q/DQ graph in float16 wrong (1.31), and would fuse nothing here.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def _bypass_pairs(graph: onnx.GraphProto) -> None:
    """Let whoever reads what a Q/DQ pair writes read what the pair reads."""
    quantized = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    outputs = {value.name for value in graph.output}
    pairs = {
        node.output[0]: quantized[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in quantized
        and node.output[0] not in outputs
    }
    for node in graph.node:
        for i, name in enumerate(node.input):
            while name in pairs:
                name = pairs[name]
            node.input[i] = name


def _types(model: onnx.ModelProto) -> dict[str, int]:
    """The element type of every tensor of a graph."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {each.name: each.data_type for each in inferred.initializer}
    for value in (*inferred.input, *inferred.output, *inferred.value_info):
        types[value.name] = value.type.tensor_type.elem_type
    return types


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}_cast", to=to)


def _half(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    if np.abs(values[np.isfinite(values)]).max(initial=0) > _MOST:
        raise HalfPrecisionError(
            f"constant {tensor.name} holds {np.abs(values).max():.3g}, FP16 ends at {_MOST:.0f}; "
            "export with --precision fp32"
        )
    # A scale that is not zero must not become it.
    tiny = (values != 0) & (np.abs(values) < _LEAST)
    rounded = np.where(tiny, np.copysign(_LEAST, values), values).astype(np.float16)
    return numpy_helper.from_array(rounded, name)


def _attributes_to_half(node: onnx.NodeProto) -> None:
    """What a node says of its own output's type: `Cast`, `Constant` and those like them."""
    for attribute in node.attribute:
        if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        elif attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_half(attribute.t, attribute.t.name))


def _restore_outputs(
    graph: onnx.GraphProto, nodes: list[onnx.NodeProto], wide: set[str], floats: set[str]
) -> None:
    """Give float32 outputs back their type, under their name."""
    for value in graph.output:
        if value.name not in floats or value.name in wide:
            continue
        inner = f"{value.name}_half_output"
        for node in nodes:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == value.name:
                        names[i] = inner
        nodes.append(_cast(inner, value.name, TensorProto.FLOAT))


def _drop_unread_constants(graph: onnx.GraphProto) -> None:
    read = set(_read(graph))
    kept = [each for each in graph.initializer if each.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _read(graph: onnx.GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield from node.input
    yield from (value.name for value in graph.output)


def _spread(values: NDArray[np.float64]) -> float:
    """What a difference is measured by. A tensor that is nearly constant, as the scores of a head
    that is not trained, is no more exact in FP16 than its size allows."""
    size = float(np.sqrt(np.mean(values**2)))
    return max(float(values.std()), size / 10, 1e-6)
