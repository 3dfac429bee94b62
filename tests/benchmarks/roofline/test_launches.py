from __future__ import annotations

import numpy as np
import onnx
from roofline.launches import Launch, kernels_around, launches_of

from edge_mtl.spec import ModelSpec


def network() -> onnx.ModelProto:
    """Two convolutions of 8 channels on 4x4 values, the second depthwise, a sum, and a pool."""
    helper = onnx.helper
    nodes = [
        helper.make_node("Conv", ["image", "dense"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "depthwise"], ["c"], group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c", "b"], ["d"]),
        helper.make_node("AveragePool", ["d"], ["out"], kernel_shape=[4, 4]),
    ]
    weights = [
        onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name)
        for name, shape in (("dense", (8, 3, 3, 3)), ("depthwise", (8, 1, 3, 3)))
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, (1, 3, 4, 4))],
        [helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, (1, 8, 1, 1))],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_every_launch_is_counted_with_what_fuses_into_it() -> None:
    values = 8 * 16
    assert launches_of(network()) == [
        Launch(tensor_operations=2 * 27 * values, moved_bytes=48 + 8 * 27 + values),
        Launch(core_operations=2 * 9 * values, moved_bytes=values + 8 * 9 + values + values),
        Launch(moved_bytes=values + 4 * 8),
    ]


def test_our_own_kernels_move_the_frame_and_the_masks(tiny_spec: ModelSpec) -> None:
    preprocess, head = kernels_around(tiny_spec, (200, 100))
    assert preprocess == Launch(moved_bytes=3 * 20_000 + 3 * 96 * 64)
    raw = sum(np.prod(tensor.shape) for tensor in tiny_spec.output_tensors)
    assert head == Launch(moved_bytes=4 * raw + 2 * 20_000)
