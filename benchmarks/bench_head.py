"""The fused head against the same work in OpenCV and NumPy, in PyTorch, and in the network's graph.

12 classes at stride 4 of a 640x384 input, boxes with 16 bins a side at strides 8, 16 and 32, 20
objects, 5 of them people with poses; a 1280x720 frame; two threads for everyone. Before anything is
timed, its result is compared: the kernels' with the float NumPy twin's, a rival's with theirs.
"""

from __future__ import annotations

import cv2
import pytest
from head_result import Difference, HeadResult, difference
from kernel_inputs import (
    PLACEMENT,
    SOURCES,
    SPEC,
    SURFACES,
    THREADS,
    Dtype,
    Source,
    float_twin,
    head_inputs,
)
from planted_objects import OBJECTS, PEOPLE
from pytest_benchmark.fixture import BenchmarkFixture
from report import KERNELS, Report
from rival_heads import RIVALS
from trained_logits import mixed_share

from edge_mtl import ops, reference
from edge_mtl.reference import MaskSize

FLOAT_TIE = 1e-4  # in logits: rounded floats may take two classes that are as near for each other
FLOAT_SCORES = 1e-5
BOX_TOLERANCE_PX = 0.01
EIGHT_BIT_SCORES = 0.01  # duplicates are further below the best cell of their object
MOST_PIXELS_OFF = 0.005  # in 8 bits, of a trained network

pytestmark = pytest.mark.skipif(
    ops.compiled() is None, reason=ops.why_not_compiled() or "the kernels are compiled"
)


@pytest.fixture(autouse=True)
def two_threads() -> None:
    cv2.setNumThreads(THREADS)


# The kernels come first: the others are measured by them.
@pytest.mark.parametrize("way", [KERNELS, *RIVALS])
@pytest.mark.parametrize("mask_size", ["network", "frame"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.benchmark(group="head")
def test_head(
    benchmark: BenchmarkFixture,
    report: Report,
    source: Source,
    dtype: Dtype,
    mask_size: MaskSize,
    way: str,
) -> None:
    case = f"head, {source}, {dtype}, {mask_size}"
    inputs = head_inputs(source, dtype)
    head = ops.FusedHead(SPEC, inputs.tensors, THREADS)
    found = HeadResult.of(head(inputs.raw, [PLACEMENT], mask_size)[0])
    assert (len(found.boxes), len(found.rows)) == (OBJECTS, PEOPLE)
    if way == KERNELS:
        off = _against_the_float_twin(found, source, dtype, mask_size)
        report.accuracies.append((case, KERNELS, "float twin", off))
        if dtype == "uint8":
            mixed = mixed_share(inputs.dequantised(SURFACES.name))
            step = inputs.tensor(SURFACES.name).scale
            report.note(
                f"{source}: {mixed:.1%} of the squares are mixed; 8 bits: steps of {step:.3f}"
            )
        benchmark(head, inputs.raw, [PLACEMENT], mask_size)
        report.add_ours(benchmark, case)
        benchmark.extra_info.update(off.to_json())
        return
    rival = RIVALS[way]
    for package in rival.needs:
        pytest.importorskip(package, reason=f"{package} is not installed, which this rival needs")
    compute = rival.open(inputs, reference.mask_extent(PLACEMENT, mask_size), rival.way)
    off = difference(
        found, compute(inputs.raw), inputs.dequantised(SURFACES.name), PLACEMENT, SPEC.input.size
    )
    assert off.same_set
    assert off.tie <= FLOAT_TIE
    assert max(off.boxes_px, off.points_px) <= BOX_TOLERANCE_PX
    assert off.scores <= FLOAT_SCORES
    report.accuracies.append((case, way, KERNELS, off))
    benchmark(compute, inputs.raw)
    wanted = None if source == "noise" else rival.wanted.get(dtype)
    report.add_rival(benchmark, case, way, wanted)
    benchmark.extra_info.update(off.to_json())


def _against_the_float_twin(
    found: HeadResult, source: Source, dtype: Dtype, mask_size: MaskSize
) -> Difference:
    """How far the kernels' result is from what the NumPy twin makes of the float outputs; fails
    where 8 bits do more than decide ties."""
    exact = head_inputs(source, "float32").dequantised(SURFACES.name)
    twin = HeadResult.of(float_twin(source, mask_size))
    off = difference(found, twin, exact, PLACEMENT, SPEC.input.size)
    assert off.same_set
    if dtype == "float32":
        assert (off.pixels, off.boxes_px, off.points_px, off.scores) == (0, 0, 0, 0)
    else:
        step = head_inputs(source, dtype).tensor(SURFACES.name).scale
        assert off.tie <= step * (1 + 1e-6)
        assert off.scores <= EIGHT_BIT_SCORES
        assert source == "noise" or off.pixels <= MOST_PIXELS_OFF
    return off
