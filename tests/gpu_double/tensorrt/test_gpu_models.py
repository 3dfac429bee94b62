"""Models beside the usual in a pipeline whose frames stay on the GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import ClassificationTask, SegmentationTask

AsBuilt = Callable[..., Bundle]
Same = Callable[[Scene, Scene], None]

pytestmark = pytest.mark.usefixtures("trt")


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_a_classification_that_is_too_wide_for_the_gpus_head_is_done_on_the_processor(
    as_built: AsBuilt,
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx makes the test network")
    spec = ModelSpec(
        name="wide",
        input=InputSpec(width=32, height=32),
        backbone="imported",
        tasks=(ClassificationTask(name="thing", classes=tuple(map(str, range(300)))),),
    )
    rows = np.random.default_rng(0).standard_normal((300, 3, 1, 1)).astype(np.float32)
    [logits] = spec.output_tensors
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
            onnx.helper.make_node("Conv", ["mean", "rows"], [logits.name]),
        ],
        "wide",
        [onnx.helper.make_tensor_value_info("image", 1, spec.input_tensor.shape)],
        [onnx.helper.make_tensor_value_info(logits.name, 1, logits.shape)],
        [onnx.numpy_helper.from_array(rows, "rows")],
    )
    opset = [onnx.helper.make_opsetid("", 19)]
    network = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    bundle = as_built(
        Bundle.create(
            Path("wide.emtl"),
            {"network.onnx": network.SerializeToString()},
            spec=spec,
            target="cpu",
            precision="fp32",
            input=spec.input_tensor,
            outputs=spec.output_tensors,
        )
    )
    scenes = []
    for name in ("onnxruntime", "tensorrt"):
        with Pipeline.from_bundle(bundle, name) as pipe:
            scenes.append(pipe(noise(40, 40)))
    best = [scene.classifications["thing"].best for scene in scenes]
    assert best[0] == best[1]


def test_planes_go_to_the_gpu_with_every_frame(
    gpu: Any, as_built: AsBuilt, assert_same: Same
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx makes the test network")
    spec = ModelSpec(
        name="depth",
        input=InputSpec(width=32, height=32),
        planes=(PlaneInput(name="depth"),),
        backbone="imported",
        tasks=(SegmentationTask(name="near", classes=("far", "near"), stride=1, binary=True),),
    )
    [depth], [logits] = spec.plane_tensors, spec.output_tensors
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
            onnx.helper.make_node("Sub", ["grey", depth.name], [logits.name]),
        ],
        "depth",
        [
            onnx.helper.make_tensor_value_info("image", 1, spec.input_tensor.shape),
            onnx.helper.make_tensor_value_info(depth.name, 1, depth.shape),
        ],
        [onnx.helper.make_tensor_value_info(logits.name, 1, logits.shape)],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    network = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    bundle = as_built(
        Bundle.create(
            Path("depth.emtl"),
            {"network.onnx": network.SerializeToString()},
            spec=spec,
            target="cpu",
            precision="fp32",
            input=spec.input_tensor,
            planes=spec.plane_tensors,
            outputs=spec.output_tensors,
        )
    )
    with (
        Pipeline.from_bundle(bundle, "onnxruntime") as host,
        Pipeline.from_bundle(bundle, "tensorrt") as pipe,
    ):
        for seed in (1, 2):
            frame, planes = noise(48, 90, seed), {"depth": noise(48, 90, seed + 5)[:, :, 0]}
            scene = pipe(frame, planes=planes)
            assert_same(scene, host(frame, planes=planes))
            assert 0 < scene.masks["near"].labels.mean() < 1
            last = len(gpu.calls) - gpu.calls[::-1].index("graph")
            assert gpu.calls[last:].count("to GPU") == 2  # the frame and the plane
        with pytest.raises(EdgeMtlError, match="takes the plane 'depth' with every frame"):
            pipe(frame)
