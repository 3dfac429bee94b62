"""What float16 makes of a graph, measured without a processor that computes in it.

ONNX Runtime takes a float16 graph on a CPU, computes it in float32 and drops the rounding in
between: nothing overflows and nothing is lost, which a GPU will not say of the same graph.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_PAIR = ("QuantizeLinear", "DequantizeLinear")


def rounded_to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A float32 graph that gives what float16 gives: every constant and every result of a float
    operator is rounded to it, and infinite beyond its reach.

    Sums within an operator stay float32, as tensor cores add up. Q/DQ pairs and what they read of
    constants are left alone: their values have 8 bits.
    """
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    graph = rounded.graph
    inferred = onnx.shape_inference.infer_shapes(model).graph
    floats = {
        value.name
        for value in (*inferred.output, *inferred.value_info)
        if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    exact = {name for node in graph.node if node.op_type in _PAIR for name in node.input}
    # Where to scale and crop to are no values of the network.
    exact |= {name for node in graph.node if node.op_type == "Resize" for name in node.input[1:]}
    for constant in graph.initializer:
        if constant.data_type == TensorProto.FLOAT and constant.name not in exact:
            with np.errstate(over="ignore"):
                half = numpy_helper.to_array(constant).astype(np.float16)
            constant.CopyFrom(numpy_helper.from_array(half.astype(np.float32), constant.name))
    nodes = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type in _PAIR:
            continue
        for i, name in enumerate(node.output):
            if name in floats:
                wide, half_name = f"{name}_before_rounding", f"{name}_half"
                node.output[i] = wide
                nodes += [
                    helper.make_node("Cast", [wide], [half_name], to=TensorProto.FLOAT16),
                    helper.make_node("Cast", [half_name], [name], to=TensorProto.FLOAT),
                ]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    return rounded
