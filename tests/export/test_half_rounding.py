from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_mtl.bundle import Bundle
from edge_mtl.export.half_rounding import rounded_to_half
from edge_mtl.runtime.engines import open_engine
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import SegmentationTask

SPEC = ModelSpec(
    name="two",
    input=InputSpec(width=32, height=32),
    backbone="none",
    tasks=(SegmentationTask(name="ground", classes=("off", "on"), stride=1),),
)


def two_layers(gain: float) -> onnx.ModelProto:
    """The picture's red, times `gain` and divided by it, for both classes."""
    there = np.zeros((2, 3, 1, 1), np.float32)
    there[:, 0] = gain
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "there"], ["loud"]),
            helper.make_node("Mul", ["loud", "back"], ["ground"]),
        ],
        "two",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 3, 32, 32))],
        [helper.make_tensor_value_info("ground", TensorProto.FLOAT, (1, 2, 32, 32))],
        [
            numpy_helper.from_array(there, "there"),
            numpy_helper.from_array(np.float32(1 / gain), "back"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: onnx.ModelProto, image: NDArray[np.float32]) -> Any:
    """As the yardstick runs it: by the runtime's own engine, with all its optimisations."""
    bundle = Bundle.create(
        Path("two.emtl"),
        {"network.onnx": model.SerializeToString()},
        spec=SPEC,
        target="cpu",
        precision="fp32",
        input=SPEC.input_tensor,
        outputs=SPEC.output_tensors,
    )
    engine = open_engine("onnxruntime", bundle, threads=1)
    engine.image[:] = image
    engine.infer()
    return engine.outputs["ground"].copy()


@pytest.fixture
def image() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(1, 3, 32, 32)).astype(np.float32)


def test_results_are_rounded_to_half_precision(image: NDArray[np.float32]) -> None:
    model = two_layers(1.0)
    before = model.SerializeToString()
    found = run(rounded_to_half(model), image)
    np.testing.assert_array_equal(found, found.astype(np.float16))
    np.testing.assert_allclose(found, run(model, image), rtol=1e-3)
    assert (found != run(model, image)).mean() > 0.9
    assert model.SerializeToString() == before


def test_what_half_precision_cannot_reach_is_infinite(image: NDArray[np.float32]) -> None:
    loud = two_layers(6e4)
    assert np.isfinite(run(loud, image)).all()
    found = run(rounded_to_half(loud), image)
    beyond = np.abs(image[0, 0]) > 65520 / 6e4
    assert beyond.any()
    np.testing.assert_array_equal(np.isinf(found[0, 0]), beyond)


def test_constants_are_rounded_too(image: NDArray[np.float32]) -> None:
    found = run(rounded_to_half(two_layers(1e5)), image)
    assert not np.isfinite(found).all()
