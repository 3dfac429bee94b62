"""The GPU's preprocessing kernel on the host (kernels/host_shim.h) against the NumPy twin."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.errors import UsageError
from edge_mtl.gpu.input_plan import InputPlan, input_blocks, plan_input
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tensor_spec import TensorSpec


@pytest.fixture(scope="module")
def kernel(on_host: Callable[[str], ctypes.CDLL]) -> ctypes.CDLL:
    shim = on_host("preprocess_on_host.cpp")
    shim.input_plan_bytes.restype = ctypes.c_size_t
    assert shim.input_plan_bytes() == ctypes.sizeof(InputPlan)
    return shim


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int8"])
def test_a_batch_of_different_cameras_equals_the_twin(
    kernel: ctypes.CDLL,
    dtype: Literal["float32", "uint8", "int8"],
    resize: Literal["letterbox", "stretch"],
) -> None:
    network_input = InputSpec(width=160, height=72, resize=resize, pad=90)
    tensor = TensorSpec("image", (3, 3, 72, 160), dtype, 0.02, 5)
    rng = np.random.default_rng(2)
    whole = rng.integers(0, 256, (150, 260, 3), dtype=np.uint8)
    # The third is a crop: its rows lie further apart than they are long.
    frames = [whole, np.ascontiguousarray(whole[:31, :18]), whole[7:90, 11:240]]
    placements = [Placement.fit((each.shape[1], each.shape[0]), network_input) for each in frames]
    out: NDArray[Any] = np.full(tensor.shape, 77, dtype)
    table = reference.pixel_table(network_input, tensor)
    plan = plan_input(
        network_input,
        tensor,
        placements,
        [each.ctypes.data for each in frames],
        [each.strides[0] for each in frames],
        table.ctypes.data,
        out.ctypes.data,
    )
    kernel.run_preprocess(ctypes.byref(plan), input_blocks(network_input, 3), 2)
    for found, frame, placement in zip(out, frames, placements, strict=True):
        expected = reference.preprocess(frame, placement, network_input, tensor)
        np.testing.assert_array_equal(found[None], expected)


def test_more_frames_than_the_plan_holds_are_refused() -> None:
    network_input = InputSpec(width=64, height=64)
    tensor = TensorSpec("image", (17, 3, 64, 64))
    placements = [Placement.fit((64, 64), network_input)] * 17
    with pytest.raises(UsageError, match="at most 16 frames at once, found 17"):
        plan_input(network_input, tensor, placements, [0] * 17, [192] * 17, 0, 0)
