"""The raw outputs of an engine: what the levels of a task are called, and what 8 bits stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mtl.tasks import DetectionTask, PoseTask
from edge_mtl.tensor_spec import TensorSpec


def level_names(task: DetectionTask | PoseTask, stride: int) -> tuple[str, str]:
    """The names of one level's two tensors: scores and boxes, or points and visible logits."""
    kinds = ("scores", "boxes") if isinstance(task, DetectionTask) else ("points", "visible")
    return f"{task.name}_{kinds[0]}_{stride}", f"{task.name}_{kinds[1]}_{stride}"


def dequantise(tensor: TensorSpec, values: NDArray[Any]) -> NDArray[np.float32]:
    """`scale * (value - zero_point)` in float32; floats as they are."""
    if not tensor.quantised:
        return values.astype(np.float32, copy=False)
    centred = (values.astype(np.int32) - tensor.zero_point).astype(np.float32)
    return np.asarray(np.float32(tensor.scale) * centred)
