"""Masks at the frame's size against masks at the network's, for frames of several sizes.

Twelve classes at stride 4 of a 640x384 input, two threads, nothing but the mask.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from kernel_inputs import SPEC, SURFACES, THREADS, Dtype, Source, head_inputs
from pytest_benchmark.fixture import BenchmarkFixture
from report import Report

from edge_mtl import ops, reference
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize

FRAME_SIZES = [(640, 360), (960, 540), (1280, 720), (1920, 1080), (1000, 563)]
MOST = 2.5  # times as long may masks at the frame's size take

pytestmark = pytest.mark.skipif(
    ops.compiled() is None, reason=ops.why_not_compiled() or "the kernels are compiled"
)


# Those at the network's size come first: the others are measured by them.
@pytest.mark.parametrize("mask_size", ["network", "frame"])
@pytest.mark.parametrize("frame_size", FRAME_SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("source", ["real", "rendered"])
@pytest.mark.benchmark(group="mask sizes")
def test_mask(
    benchmark: BenchmarkFixture,
    report: Report,
    source: Source,
    dtype: Dtype,
    frame_size: tuple[int, int],
    mask_size: MaskSize,
) -> None:
    inputs = head_inputs(source, dtype)
    placement = Placement.fit(frame_size, SPEC.input)
    head = ops.FusedHead(msgspec.structs.replace(SPEC, tasks=(SURFACES,)), inputs.tensors, THREADS)
    found = head(inputs.raw, [placement], mask_size)[0].masks[SURFACES.name].labels
    twin = reference.segment(
        inputs.raw[SURFACES.name][0],
        placement,
        SPEC.input.size,
        reference.mask_extent(placement, mask_size),
    )
    np.testing.assert_array_equal(found, twin)
    benchmark(head, inputs.raw, [placement], mask_size)
    case = f"mask, {source}, {dtype}, frames of {frame_size[0]}x{frame_size[1]}"
    if mask_size == "network":
        report.add_ours(benchmark, case)
    else:
        report.add_rival(benchmark, case, "edge-mtl at the frame's size", MOST, at_most=True)
