"""What other kinds of task cost in the head, added one by one to a mask and boxes; one thread."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from kernel_inputs import (
    PLACEMENT,
    POSES,
    SPEC,
    SURFACES,
    THINGS,
    Dtype,
    head_inputs,
    quantised,
)
from numpy.typing import NDArray
from planted_objects import OBJECTS
from pytest_benchmark.fixture import BenchmarkFixture

from edge_mtl import ops
from edge_mtl.tasks import ClassificationTask, SegmentationTask, Task
from edge_mtl.tensor_spec import TensorSpec

BASE: tuple[Task, ...] = (SURFACES, THINGS)
MORE_TASKS: dict[str, tuple[Task, ...]] = {
    "nothing": (),
    "poses of people": (POSES,),
    "a classification of 8": (ClassificationTask(name="time", classes=tuple("abcdefgh")),),
    "a binary mask at stride 8": (
        SegmentationTask(name="lanes", classes=("no", "yes"), stride=8, binary=True),
    ),
    "a binary mask at stride 1": (
        SegmentationTask(name="lanes", classes=("no", "yes"), stride=1, binary=True),
    ),
}

pytestmark = pytest.mark.skipif(
    ops.compiled() is None, reason=ops.why_not_compiled() or "the kernels are compiled"
)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("more", MORE_TASKS)
@pytest.mark.benchmark(group="head with more tasks")
def test_head_with_more_tasks(benchmark: BenchmarkFixture, dtype: Dtype, more: str) -> None:
    inputs = head_inputs("rendered", dtype)
    spec = msgspec.structs.replace(SPEC, tasks=(*BASE, *MORE_TASKS[more]))
    tensors, raw = list(inputs.tensors), dict(inputs.raw)
    for expected in spec.output_tensors:
        if expected.name not in raw:
            tensor, raw[expected.name] = quantised(expected, _smooth(expected), dtype)
            tensors.append(tensor)
    [scene] = benchmark(ops.FusedHead(spec, tensors), raw, [PLACEMENT], "network")
    assert len(scene.detections[THINGS.name]) == OBJECTS


def _smooth(tensor: TensorSpec) -> NDArray[np.float32]:
    """Logits like a network's of large regions: one in some 24 pixels is random."""
    import cv2

    _, channels, height, width = tensor.shape
    rng = np.random.default_rng(1)
    size = max(2, height // 12), max(2, width // 12)
    planes: list[Any] = [
        cv2.resize(rng.normal(0, 6, size), (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(channels)
    ]
    return np.stack(planes)[None].astype(np.float32)
