"""`InputPlan` of kernels/input_plan.h: what the preprocessing kernel on a GPU reads, by byte."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import ceil

from edge_mtl.errors import UsageError
from edge_mtl.gpu.head_plan import DTYPES
from edge_mtl.placement import Placement
from edge_mtl.spec import MAX_FRAMES, InputSpec
from edge_mtl.tensor_spec import TensorSpec

_TILE_WIDTH, _TILE_HEIGHT = 128, 16  # of preprocess.cu


class InputPlan(ctypes.Structure):
    _fields_ = [
        ("frames", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("pad", ctypes.c_int32),
        ("table", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("placement", (ctypes.c_int32 * 6) * MAX_FRAMES),
        ("frame", ctypes.c_void_p * MAX_FRAMES),
        ("row_stride", ctypes.c_int64 * MAX_FRAMES),
    ]


def plan_input(
    network_input: InputSpec,
    tensor: TensorSpec,
    placements: Sequence[Placement],
    frames: Sequence[int],
    row_strides: Sequence[int],
    table: int,
    out: int,
) -> InputPlan:
    """What the kernel reads, for frames whose rows lie so many bytes apart, a table
    (`edge_mtl.reference.pixel_table`) and the engine's input at these addresses.

    Raises:
        UsageError: there are more frames than the kernel takes.
    """
    if len(placements) > MAX_FRAMES:
        raise UsageError(f"expected at most {MAX_FRAMES} frames at once, found {len(placements)}")
    plan = InputPlan()
    plan.frames = len(placements)
    plan.width, plan.height = network_input.size
    plan.dtype, plan.pad = DTYPES[tensor.dtype], network_input.pad
    plan.table, plan.out = table, out
    for i, (placement, frame, row_stride) in enumerate(
        zip(placements, frames, row_strides, strict=True)
    ):
        plan.placement[i][:] = placement.numbers
        plan.frame[i], plan.row_stride[i] = frame, row_stride
    return plan


def input_blocks(network_input: InputSpec, frames: int) -> int:
    """How many blocks a launch for so many frames takes."""
    width, height = network_input.size
    return frames * ceil(width / _TILE_WIDTH) * ceil(height / _TILE_HEIGHT)
