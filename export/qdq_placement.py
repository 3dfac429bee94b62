"""Where Q/DQ pairs stand, beyond what ONNX Runtime's quantiser can be told.

It quantises by operator. Two rules go by what an operator is connected to: which of them stay
float, and which input of a sum does.
"""

from __future__ import annotations

from collections import defaultdict

import onnx

from edge_mtl.export.schemes import DEPTHWISE, Scheme

CONVOLUTIONS = ("Conv", "ConvTranspose")


def quantized_nodes(model: onnx.ModelProto, scheme: Scheme) -> set[str]:
    """The names of the nodes that a scheme quantises; every node of the graph has one.

    Of the operators that it names, depthwise convolutions stay float where it does not name
    `DEPTHWISE`, and, where sums are fused, so do sums with a constant: they are no residual sums
    but arithmetic on coordinates or offsets, whose range is that of a picture.
    """
    constants = {each.name for each in model.graph.initializer}
    constants |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    kernels = {each.name: each.dims for each in model.graph.initializer}
    return {
        node.name
        for node in model.graph.node
        if node.op_type in scheme.operators
        and not (DEPTHWISE not in scheme.operators and _is_depthwise(node, kernels))
        and not (scheme.fused_sums and node.op_type == "Add" and constants & set(node.input))
    }


def _is_depthwise(node: onnx.NodeProto, kernels: dict[str, list[int]]) -> bool:
    if node.op_type != "Conv":
        return False
    groups = next((each.i for each in node.attribute if each.name == "group"), 1)
    return groups > 1 and kernels.get(node.input[1], [0, 0])[1] == 1


def fuse_sums(model: onnx.ModelProto) -> None:
    """Take away the Q/DQ between a convolution and the sum that alone reads it, in place.

    TensorRT computes a convolution and the sum behind it in one kernel, at full precision in
    between, where only the other input of the sum is quantised (its developer guide, "Q/DQ layer
    placement"; ModelOpt's `build_non_residual_input_map` does the same). Where both inputs come
    from convolutions, the one that is computed last is freed.
    """
    graph = model.graph
    order = {name: i for i, node in enumerate(graph.node) for name in node.output}
    writers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, int] = defaultdict(int)
    for node in graph.node:
        for name in node.input:
            readers[name] += 1
    for value in graph.output:
        readers[value.name] += 1
    freed: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "Add":
            continue
        candidates = []
        for i, name in enumerate(node.input):
            chain = _chain(name, writers)
            if chain is not None and all(readers[each.output[0]] == 1 for each in chain):
                candidates.append((order[chain[-1].output[0]], i, chain))
        others_quantised = all(_chain_head(name, writers) for name in node.input)
        if candidates and others_quantised:
            _, i, (dequantize, quantize, convolution) = max(candidates, key=lambda each: each[0])
            node.input[i] = convolution.output[0]
            freed += [dequantize, quantize]
    for each in freed:
        graph.node.remove(each)
    used = {name for node in graph.node for name in node.input}
    unused = [each for each in graph.initializer if each.name not in used]
    for scale_or_zero_point in unused:
        graph.initializer.remove(scale_or_zero_point)


def _chain_head(name: str, writers: dict[str, onnx.NodeProto]) -> bool:
    return name in writers and writers[name].op_type == "DequantizeLinear"


def _chain(name: str, writers: dict[str, onnx.NodeProto]) -> list[onnx.NodeProto] | None:
    """DequantizeLinear, QuantizeLinear and convolution, where they stand so before a tensor."""
    chain = []
    for kinds in (("DequantizeLinear",), ("QuantizeLinear",), CONVOLUTIONS):
        node = writers.get(name)
        if node is None or node.op_type not in kinds:
            return None
        chain.append(node)
        name = node.input[0]
    return chain
