"""The GPU's head kernel on the host (kernels/host_shim.h) against the NumPy twins."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.errors import UsageError
from edge_mtl.gpu.head_layout import HeadLayout
from edge_mtl.gpu.head_plan import HeadPlan
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import (
    ClassificationTask,
    DecodedDetectionTask,
    DetectionTask,
    PoseTask,
    SegmentationTask,
)
from edge_mtl.tensor_spec import TensorSpec

Run = Callable[..., list[Scene]]

SPEC = ModelSpec(
    name="shim",
    input=InputSpec(width=128, height=96),
    backbone="edgenet-n",
    tasks=(
        SegmentationTask(name="street", classes=("a", "b", "c", "d", "e")),
        SegmentationTask(name="lanes", classes=("no", "yes"), stride=8, binary=True),
        DetectionTask(classes=("car", "person"), score_threshold=0.5, max_boxes=20),
        DetectionTask(name="signs", classes=("x",), strides=(16,), bins=5, score_threshold=0.4),
        DecodedDetectionTask(name="listed", classes=("p", "q", "r"), candidates=90, max_boxes=30),
        DecodedDetectionTask(
            name="rows",
            classes=("p", "q"),
            candidates=70,
            layout="channels_last",
            box="corners",
            objectness=True,
        ),
        PoseTask(classes=("person",), keypoints=("head", "foot", "hand")),
        ClassificationTask(name="time", classes=("day", "dusk", "night")),
        ClassificationTask(name="present", classes=("p", "q"), multi_label=True),
    ),
)


@pytest.fixture(scope="module")
def run(on_host: Callable[[str], ctypes.CDLL]) -> Run:
    shim = on_host("head_on_host.cpp")
    shim.plan_bytes.restype = ctypes.c_size_t
    assert shim.plan_bytes() == ctypes.sizeof(HeadPlan)
    threads = shim.block_threads()

    def run(
        spec: ModelSpec,
        tensors: Sequence[TensorSpec],
        raw: dict[str, NDArray[Any]],
        placements: Sequence[Placement],
        mask_size: MaskSize,
        launches: int = 1,
    ) -> list[Scene]:
        layout = HeadLayout(spec, tensors, placements, mask_size)
        results, scratch = np.full(layout.result_bytes, 0xAA, np.uint8), layout.first_scratch()
        addresses = {name: each.ctypes.data for name, each in raw.items()}
        plan = layout.plan(addresses, results.ctypes.data, scratch.ctypes.data)
        for _ in range(launches):
            shim.run_head(ctypes.byref(plan), layout.blocks(threads), 3)
        return layout.scenes(results)

    return run


def outputs(
    dtype: str, frames: int, draw: Callable[[tuple[int, ...]], NDArray[Any]]
) -> tuple[list[TensorSpec], dict[str, NDArray[Any]]]:
    tensors, raw = [], {}
    for each in SPEC.output_tensors:
        shape = (frames, *each.shape[1:])
        scale = 0.05
        values = draw(shape)
        if each.name in ("listed", "rows"):
            scale = 0.5
            numbers = values.swapaxes(1, 2) if each.name == "rows" else values
            boxes = np.random.default_rng(1).uniform(1, 60, numbers[:, :4].shape)
            boxes[:, 2:] += 25 if each.name == "rows" else 0  # corners, mostly in order
            if dtype in ("uint8", "int8"):
                boxes = (boxes / scale + 9).round().clip(0, np.iinfo(dtype).max)
            numbers[:, :4] = np.where(np.isfinite(numbers[:, :4]), boxes, numbers[:, :4])
        raw[each.name] = np.ascontiguousarray(values.astype(dtype))
        tensors.append(TensorSpec(each.name, shape, dtype, scale, 9))  # type: ignore[arg-type]
    return tensors, raw


@pytest.mark.parametrize("mask_size", ["frame", "network"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int8"])
def test_a_batch_of_different_cameras_equals_the_twins(
    run: Run, dtype: str, mask_size: MaskSize, assert_same: Callable[[Scene, Scene], None]
) -> None:
    rng = np.random.default_rng(3)
    low, high = (0, 256) if dtype == "uint8" else (-128, 128)

    def draw(shape: tuple[int, ...]) -> NDArray[Any]:
        if dtype in ("uint8", "int8"):
            return rng.integers(low, high, shape)
        values = rng.normal(scale=2, size=shape)
        values[rng.random(shape) < 0.02] = rng.choice(
            [np.nan, np.inf, -np.inf, 6e4 if dtype == "float16" else 3e38]
        )
        return values

    placements = [Placement.fit((300, 140), SPEC.input), Placement.fit((40, 50), SPEC.input)]
    tensors, raw = outputs(dtype, 2, draw)
    # Twice: a launch leaves its counters as it found them.
    scenes = run(SPEC, tensors, raw, placements, mask_size, launches=2)
    for frame, (scene, placement) in enumerate(zip(scenes, placements, strict=True)):
        alone = {name: each[frame : frame + 1] for name, each in raw.items()}
        assert_same(scene, reference.fused_head(SPEC, tensors, alone, placement, mask_size))
        assert len(scene.detections["detection"]) > 5
        assert len(scene.poses["pose"].rows) > 0
        assert len(scene.detections["listed"]) > 5
        assert len(scene.detections["rows"]) > 0


def test_equal_scores_keep_the_order_of_cells(
    run: Run, assert_same: Callable[[Scene, Scene], None]
) -> None:
    tensors, raw = outputs("int8", 1, lambda shape: np.full(shape, 30))
    placement = Placement.fit((128, 96), SPEC.input)
    [scene] = run(SPEC, tensors, raw, [placement], "network")
    assert_same(scene, reference.fused_head(SPEC, tensors, raw, placement, "network"))


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_best_of_more_candidates_than_are_sorted(
    run: Run, dtype: str, assert_same: Callable[[Scene, Scene], None]
) -> None:
    """8-bit scores tie at the bound: there the first cells are the best."""
    task = DetectionTask(classes=("car", "person"), score_threshold=0.3, max_boxes=300)
    spec = ModelSpec(
        name="many",
        input=InputSpec(width=512, height=256),
        backbone="edgenet-n",
        tasks=(task,),
    )
    rng = np.random.default_rng(4)
    tensors, raw = [], {}
    for each in spec.output_tensors:
        # Small boxes, so that few of them hide others.
        values = rng.normal(1, 2, each.shape) if "scores" in each.name else np.full(each.shape, 0.3)
        if dtype == "int8":
            values = (values / 0.05 + 9).round().clip(-128, 127)
        raw[each.name] = values.astype(dtype)
        tensors.append(TensorSpec(each.name, each.shape, dtype, 0.05, 9))  # type: ignore[arg-type]
    placement = Placement.fit((512, 256), spec.input)
    [scene] = run(spec, tensors, raw, [placement], "network")
    expected = reference.fused_head(spec, tensors, raw, placement, "network")
    scores = [
        reference.dequantise(each, raw[each.name]) for each in tensors if "scores" in each.name
    ]
    candidates = sum((each.max(axis=1) > 0).sum() for each in scores)
    assert candidates > 1000
    assert len(expected.detections["detection"]) == 300
    assert_same(scene, expected)


def test_more_classes_of_a_picture_than_the_kernel_has_room_for_are_refused() -> None:
    wide = ClassificationTask(name="wide", classes=tuple(f"c{i}" for i in range(256)))
    spec = ModelSpec(name="a", input=InputSpec(width=32, height=32), backbone="none", tasks=(wide,))
    placement = Placement.fit((32, 32), spec.input)
    with pytest.raises(UsageError, match="at most 255 classes, 'wide' has 256"):
        HeadLayout(spec, spec.output_tensors, [placement], "frame")
