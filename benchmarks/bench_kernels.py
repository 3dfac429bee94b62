"""The kernels against the usual way with OpenCV and NumPy, on one thread.

    python -m pytest benchmarks/bench_kernels.py --benchmark-group-by=group

A 1280x720 frame into a 640x384 input; 12 classes at stride 4 and 5 classes of boxes at strides 8,
16 and 32. Before anything is timed, the usual way's results are compared with the kernels'. What
the other kinds of task cost is measured by adding them one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import ops, reference
from edge_mtl.placement import Placement
from edge_mtl.spec import (
    ClassificationTask,
    DetectionTask,
    InputSpec,
    ModelSpec,
    PoseTask,
    SegmentationTask,
    Task,
    TensorSpec,
)

SPEC = ModelSpec(
    name="benchmark",
    input=InputSpec(width=640, height=384),
    backbone="edgenet",
    tasks=(
        SegmentationTask(name="surfaces", classes=tuple(f"surface {i}" for i in range(12))),
        DetectionTask(name="things", classes=tuple(f"thing {i}" for i in range(5))),
    ),
)
TASK = SPEC.detections[0]
MORE_TASKS: dict[str, tuple[Task, ...]] = {
    "nothing": (),
    "pose of every box": (PoseTask(detection="things", classes=TASK.classes),),
    "a classification of 8": (ClassificationTask(name="time", classes=tuple("abcdefgh")),),
    "a binary mask at stride 8": (
        SegmentationTask(name="lanes", classes=("no", "yes"), stride=8, binary=True),
    ),
    "a binary mask at stride 1": (
        SegmentationTask(name="lanes", classes=("no", "yes"), stride=1, binary=True),
    ),
}
FRAME_SIZE = 1280, 720
PLACEMENT = Placement.fit(FRAME_SIZE, SPEC.input)

pytestmark = pytest.mark.skipif(
    ops.compiled() is None, reason=ops.why_not_compiled() or "the kernels are compiled"
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    cv2.setNumThreads(1)


@pytest.fixture(scope="module")
def frame() -> NDArray[np.uint8]:
    coarse = np.random.default_rng(0).integers(0, 256, (45, 80, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, FRAME_SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def outputs(
    dtype: Literal["float32", "uint8"], spec: ModelSpec = SPEC
) -> tuple[list[TensorSpec], dict[str, Any]]:
    """Raw outputs like a network's: large regions of one class, and a few clusters of boxes."""
    rng = np.random.default_rng(1)
    tensors, raw = [], {}
    for expected in spec.output_tensors:
        _, channels, height, width = expected.shape
        if expected.name in ("surfaces", "lanes"):
            values = np.stack([_smooth(rng, height, width, 6.0) for _ in range(channels)])
        elif "scores" in expected.name:
            values = np.stack([_smooth(rng, height, width, 2.5) - 5 for _ in range(channels)])
        elif "boxes" in expected.name:
            values = 1 + np.abs(rng.normal(2, 0.3, (channels, height, width)))
        else:
            values = rng.normal(size=(channels, height, width))
        scale, zero_point = 0.15, 128
        if dtype == "uint8":
            values = (values / scale + zero_point).round().clip(0, 255)
        raw[expected.name] = values[None].astype(dtype)
        tensors.append(TensorSpec(expected.name, expected.shape, dtype, scale, zero_point))
    return tensors, raw


def _smooth(rng: np.random.Generator, height: int, width: int, scale: float) -> NDArray[Any]:
    coarse = rng.normal(0, scale, (max(2, height // 12), max(2, width // 12)))
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def opencv_preprocess(frame: NDArray[np.uint8], tensor: TensorSpec) -> NDArray[Any]:
    """Letterbox with resize and copyMakeBorder, then blobFromImage and the normalisation."""
    network = SPEC.input
    resized = cv2.resize(frame, (PLACEMENT.width, PLACEMENT.height))
    right = network.width - PLACEMENT.width - PLACEMENT.x
    bottom = network.height - PLACEMENT.height - PLACEMENT.y
    padded = cv2.copyMakeBorder(
        resized,
        PLACEMENT.y,
        bottom,
        PLACEMENT.x,
        right,
        cv2.BORDER_CONSTANT,
        value=[network.pad] * 3,
    )
    mean = [255 * value for value in network.mean]
    blob = np.asarray(cv2.dnn.blobFromImage(padded, 1 / 255, mean=mean, swapRB=True), np.float32)
    blob /= np.array(network.std, np.float32).reshape(1, 3, 1, 1)
    if tensor.dtype == "float32":
        return blob
    quantised = np.rint(blob / tensor.scale) + tensor.zero_point
    return np.asarray(quantised.clip(0, 255).astype(np.uint8))


def opencv_head(
    tensors: dict[str, TensorSpec], raw: dict[str, NDArray[Any]], mask_size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Class by class resize and running maximum; decode everything, then NMSBoxesBatched.

    The running maximum is faster than an argmax over all the resized logits, in either layout.
    """
    logits = reference.dequantise(tensors["surfaces"], raw["surfaces"])[0]
    top, bottom = (
        y // SPEC.segmentations[0].stride for y in (PLACEMENT.y, PLACEMENT.y + PLACEMENT.height)
    )
    inside = logits[:, top:bottom]
    best = cv2.resize(inside[0], mask_size)
    labels = np.zeros(best.shape, np.uint8)
    for class_id, class_logits in enumerate(inside[1:], start=1):
        resized = cv2.resize(class_logits, mask_size)
        labels[resized > best] = class_id
        np.maximum(best, resized, out=best)

    boxes, scores = [], []
    for stride in TASK.strides:
        names = reference.level_names(TASK, stride)
        level_scores, distances = (reference.dequantise(tensors[n], raw[n])[0] for n in names)
        ys, xs = np.indices(level_scores.shape[1:], np.float32) + np.float32(0.5)
        left, top, right, bottom = np.maximum(distances, 0)
        corners = np.stack([xs - left, ys - top, xs + right, ys + bottom], -1) * stride
        boxes.append(corners.reshape(-1, 4))
        scores.append(level_scores.reshape(len(TASK.classes), -1).T)
    all_scores = 1 / (1 + np.exp(-np.concatenate(scores)))
    corners = np.concatenate(boxes) - np.array([PLACEMENT.x, PLACEMENT.y] * 2, np.float32)
    corners = (corners * (FRAME_SIZE[0] / PLACEMENT.width)).clip(
        0, np.array(FRAME_SIZE * 2, np.float32)
    )
    class_ids, best_scores = all_scores.argmax(1), all_scores.max(1)
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    suppress: Any = cv2.dnn.NMSBoxesBatched  # its type stub knows lists only
    kept = suppress(
        sizes, best_scores, class_ids, TASK.score_threshold, TASK.iou_threshold, top_k=1000
    )
    return labels, corners[np.asarray(kept)[: TASK.max_boxes]]


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("way", ["kernel", "opencv"])
@pytest.mark.benchmark(group="preprocess", warmup=True, min_rounds=50)
def test_preprocess(
    benchmark: Callable[..., Any],
    frame: NDArray[np.uint8],
    dtype: Literal["float32", "uint8"],
    way: str,
) -> None:
    tensor = TensorSpec("image", (1, 3, 384, 640), dtype, 0.02, 114)
    preprocess = ops.Preprocessor(SPEC.input, tensor)
    out = np.empty(tensor.shape, dtype)
    preprocess([frame], [PLACEMENT], out)
    expected = opencv_preprocess(frame, tensor)
    step = 1.01 / 255 / min(SPEC.input.std)  # OpenCV's resize rounds once more
    tolerance = step if dtype == "float32" else np.ceil(step / tensor.scale)
    assert np.abs(out.astype(np.float32) - expected).max() <= tolerance
    if way == "kernel":
        benchmark(preprocess, [frame], [PLACEMENT], out)
    else:
        benchmark(opencv_preprocess, frame, tensor)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("mask_size", ["frame", "network"])
@pytest.mark.parametrize("way", ["kernel", "opencv"])
@pytest.mark.benchmark(group="head", warmup=True, min_rounds=20)
def test_fused_head(
    benchmark: Callable[..., Any],
    dtype: Literal["float32", "uint8"],
    mask_size: reference.MaskSize,
    way: str,
) -> None:
    tensors, raw = outputs(dtype)
    by_name = {tensor.name: tensor for tensor in tensors}
    head = ops.FusedHead(SPEC, tensors)
    extent = reference.mask_extent(PLACEMENT, mask_size)
    [scene] = head(raw, [PLACEMENT], mask_size)
    labels, boxes = opencv_head(by_name, raw, extent)
    # The padding's edge differs.
    assert (scene.masks["surfaces"].labels == labels).mean() > 0.99
    assert len(boxes) > 20
    found = scene.detections["things"].boxes
    np.testing.assert_allclose(_sorted(found), _sorted(boxes), atol=0.05)
    if way == "kernel":
        benchmark(head, raw, [PLACEMENT], mask_size)
    else:
        benchmark(opencv_head, by_name, raw, extent)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("more", MORE_TASKS)
@pytest.mark.benchmark(group="head with more tasks", warmup=True, min_rounds=20)
def test_fused_head_with_more_tasks(
    benchmark: Callable[..., Any], dtype: Literal["float32", "uint8"], more: str
) -> None:
    spec = msgspec.structs.replace(SPEC, tasks=(*SPEC.tasks, *MORE_TASKS[more]))
    tensors, raw = outputs(dtype, spec)
    [scene] = benchmark(ops.FusedHead(spec, tensors), raw, [PLACEMENT], "network")
    for poses in scene.poses.values():
        assert len(poses) == len(scene.detections["things"]) > 20


def _sorted(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """OpenCV returns the boxes class by class."""
    return boxes[np.lexsort(boxes.round(1).T)]
