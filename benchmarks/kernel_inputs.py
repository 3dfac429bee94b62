"""What the kernels are measured on: a network's tasks, a frame, and raw outputs for it.

A 1280x720 frame in a 640x384 input; 12 classes at stride 4, boxes of 5 classes with 16 bins a side
at strides 8, 16 and 32, and poses of one of these classes. In 8 bits every tensor has the scale of
its own range, as calibration by range gives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from planted_objects import planted_outputs
from trained_logits import FRAME_SIZE, rendered_frames, typical_logits

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import DetectionTask, PoseTask, SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

THREADS = 2
SURFACES = SegmentationTask(name="surfaces", classes=tuple(f"surface {i}" for i in range(12)))
THINGS = DetectionTask(
    name="things", classes=("car", "person", "bicycle", "sign", "light"), bins=16
)
POSES = PoseTask(name="poses", detection="things", classes=("person",))
SPEC = ModelSpec(
    name="benchmark",
    input=InputSpec(width=640, height=384),
    backbone="edgenet",
    tasks=(SURFACES, THINGS, POSES),
)
PLACEMENT = Placement.fit(FRAME_SIZE, SPEC.input)

Dtype = Literal["float32", "uint8"]
Source = Literal["real", "rendered", "noise"]
"""Where the masks' logits come from: a trained network over a drive, or a random generator."""
SOURCES: tuple[Source, ...] = ("real", "rendered", "noise")


@dataclass(frozen=True)
class HeadInputs:
    """The raw outputs of an engine, by name, and what they are."""

    tensors: tuple[TensorSpec, ...]
    raw: dict[str, NDArray[Any]]

    def tensor(self, name: str) -> TensorSpec:
        return next(each for each in self.tensors if each.name == name)

    def dequantised(self, name: str) -> NDArray[np.float32]:
        """(C, H, W)"""
        return np.asarray(reference.dequantise(self.tensor(name), self.raw[name])[0])


def camera_frame() -> NDArray[np.uint8]:
    """(720, 1280, 3)"""
    return rendered_frames()[0]


@cache
def head_inputs(source: Source, dtype: Dtype) -> HeadInputs:
    """Raw outputs for `SPEC`; those in 8 bits are the float ones rounded."""
    values = {SURFACES.name: surface_logits(source)[None]}
    values |= planted_outputs(THINGS, POSES, PLACEMENT, SPEC.input.size)
    made = [quantised(each, values[each.name], dtype) for each in SPEC.output_tensors]
    return HeadInputs(
        tuple(tensor for tensor, _ in made), {tensor.name: raw for tensor, raw in made}
    )


def surface_logits(source: Source) -> NDArray[np.float32]:
    """(12, 96, 160)"""
    if source == "noise":
        shape = next(SURFACES.tensors(*SPEC.input.size)).shape[1:]
        noise = np.random.default_rng(5).normal(0.0, 4.0, shape)
        return noise.astype(np.float32)
    return typical_logits(source)


def quantised(
    tensor: TensorSpec, values: NDArray[np.float32], dtype: Dtype
) -> tuple[TensorSpec, NDArray[Any]]:
    """Values, and what describes them, in `dtype`; 8 bits span their range and hold zero."""
    if dtype == "float32":
        return tensor, values
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = (high - low) / 255
    zero_point = round(-low / scale)
    raw = (np.rint(values / np.float32(scale)) + zero_point).clip(0, 255).astype(np.uint8)
    return TensorSpec(tensor.name, tensor.shape, dtype, scale, zero_point), raw


@cache
def float_twin(source: Source, mask_size: MaskSize) -> Scene:
    """What the NumPy twin makes of the float outputs: the accuracy of all others is measured by
    this."""
    inputs = head_inputs(source, "float32")
    return reference.fused_head(SPEC, inputs.tensors, inputs.raw, PLACEMENT, mask_size)
