from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.errors import UsageError
from edge_mtl.export.batch import ONE_FRAME, Batch, with_batch

only_edgenet = pytest.mark.parametrize("backbone", ["edgenet-n"])


def test_fixed_and_dynamic_batches_are_read() -> None:
    assert Batch.parse("1") == ONE_FRAME
    assert Batch.parse("4") == Batch(4, 4, 4)
    assert not Batch.parse("4").dynamic
    assert Batch.parse("1:4:8") == Batch(1, 4, 8)
    assert Batch.parse("1:4:8").dynamic


@pytest.mark.parametrize("text", ["", "four", "1:4", "1:2:3:4", "-1", "0", "4:1:8", "1:4:17", "17"])
def test_others_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected .*, found"):
        Batch.parse(text)


@only_edgenet
@pytest.mark.parametrize("batch", [Batch(3, 3, 3), Batch(1, 2, 4)])
def test_lesson_every_item_of_a_batch_is_filled(graph: onnx.ModelProto, batch: Batch) -> None:
    """DeepStream-Yolo#667: the first item alone held anything."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 3, 32, 64)).astype(np.float32)
    batched = with_batch(graph, batch)
    onnx.checker.check_model(batched, full_check=True)
    single = onnxruntime.InferenceSession(graph.SerializeToString())
    session = onnxruntime.InferenceSession(batched.SerializeToString())
    together = session.run(None, {"image": images})
    for i in range(3):
        alone = single.run(None, {"image": images[i : i + 1]})
        for expected, found in zip(alone, together, strict=True):
            assert found.shape == (3, *expected.shape[1:])
            np.testing.assert_allclose(found[i : i + 1], expected, atol=1e-4)


@only_edgenet
def test_one_frame_leaves_the_graph_as_it_is(graph: onnx.ModelProto) -> None:
    assert with_batch(graph, ONE_FRAME) is graph


@pytest.mark.parametrize("batch", [Batch(2, 2, 2), Batch(1, 2, 4)])
def test_a_network_that_names_its_batch_is_refused(batch: Batch) -> None:
    edges = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 8))]
    edges += [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 32))]
    shape = numpy_helper.from_array(np.array([1, 32]), "shape")
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    graph = helper.make_graph([node], "g", edges[:1], edges[1:], [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    with pytest.raises(UsageError, match="output 'y' does not grow with the batch"):
        with_batch(model, batch)
