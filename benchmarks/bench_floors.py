"""How far each kernel is from its floor: `floors` says how that is measured, `kernel_work` what is
counted.

Two threads; the logits are those of the rendered drive, which everybody has. What takes more than
four times its floor does so for reasons that are not counted:

- Every call of the head has a price of its own, which `test_call_with_nothing_to_do` measures: the
  checks of some twenty arrays, those that are returned, the scene, a thread that is woken up.
- Masks: where the corners of a square disagree, four logits of every class come one by one from
  planes that lie apart, the few pixels of a square leave in pieces of four or eight bytes, and the
  two classes that are left have to be found.
- Boxes: the 64 bins of a candidate come one by one from as many planes, and candidates are sorted,
  compared and kept one after the other.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from floors import Floor, machine_speed
from kernel_inputs import (
    PLACEMENT,
    POSES,
    SPEC,
    SURFACES,
    THINGS,
    THREADS,
    Dtype,
    camera_frame,
    head_inputs,
)
from kernel_work import mask_work, object_work, preprocess_work
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture
from report import Report, median_ms

from edge_mtl import ops
from edge_mtl.placement import Placement
from edge_mtl.reference import MaskSize
from edge_mtl.spec import InputSpec
from edge_mtl.tasks import Task
from edge_mtl.tensor_spec import TensorSpec

pytestmark = pytest.mark.skipif(
    ops.compiled() is None, reason=ops.why_not_compiled() or "the kernels are compiled"
)

DTYPES: tuple[Dtype, ...] = ("uint8", "float32")
MASK_SIZES: tuple[MaskSize, ...] = ("network", "frame")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.benchmark(group="floors")
def test_preprocess(benchmark: BenchmarkFixture, report: Report, dtype: Dtype) -> None:
    tensor = TensorSpec("image", SPEC.input_tensor.shape, dtype, 0.0187, 114)
    preprocess = ops.Preprocessor(SPEC.input, tensor, THREADS)
    out = np.empty(tensor.shape, dtype)
    floor = Floor.of(preprocess_work(dtype), THREADS)
    benchmark(preprocess, [camera_frame()], [PLACEMENT], out)
    report.add_floor(benchmark, f"preprocess, {dtype}", floor)


@pytest.mark.parametrize("mask_size", MASK_SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.benchmark(group="floors")
def test_masks(
    benchmark: BenchmarkFixture, report: Report, dtype: Dtype, mask_size: MaskSize
) -> None:
    floor = Floor.of(mask_work(head_inputs("rendered", dtype), mask_size), THREADS)
    _run_head(benchmark, (SURFACES,), dtype, mask_size)
    report.add_floor(benchmark, f"masks, {dtype}, {mask_size}", floor)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.benchmark(group="floors")
def test_boxes_and_poses(benchmark: BenchmarkFixture, report: Report, dtype: Dtype) -> None:
    floor = Floor.of(object_work(head_inputs("rendered", dtype)), 1)  # others make masks meanwhile
    _run_head(benchmark, (THINGS, POSES), dtype, "network")
    report.add_floor(benchmark, f"boxes and poses, {dtype}", floor)


@pytest.mark.parametrize("mask_size", MASK_SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.benchmark(group="floors")
def test_whole_head(
    benchmark: BenchmarkFixture, report: Report, dtype: Dtype, mask_size: MaskSize
) -> None:
    inputs = head_inputs("rendered", dtype)
    floor = Floor.of(mask_work(inputs, mask_size) + object_work(inputs), THREADS)
    _run_head(benchmark, SPEC.tasks, dtype, mask_size)
    report.add_floor(benchmark, f"head, {dtype}, {mask_size} masks", floor)


@pytest.mark.benchmark(group="floors")
def test_call_with_nothing_to_do(benchmark: BenchmarkFixture, report: Report) -> None:
    """What every call of the head costs: arguments checked, arrays for results, a thread woken. An
    input of one cell, in which nothing is found."""
    spec = msgspec.structs.replace(SPEC, input=InputSpec(width=32, height=32))
    raw: dict[str, NDArray[Any]] = {
        tensor.name: np.full(tensor.shape, -9, np.float32) for tensor in spec.output_tensors
    }
    head = ops.FusedHead(spec, spec.output_tensors, THREADS)
    benchmark(head, raw, [Placement.fit((32, 32), spec.input)], "network")
    took_ms = median_ms(benchmark)
    if took_ms is not None:
        for threads in (THREADS, 1):
            report.note(machine_speed(threads))
        report.note(f"a call of the head with nothing to do takes {took_ms:.3f} ms")


def _run_head(
    benchmark: BenchmarkFixture, tasks: tuple[Task, ...], dtype: Dtype, mask_size: MaskSize
) -> None:
    inputs = head_inputs("rendered", dtype)
    spec = msgspec.structs.replace(SPEC, tasks=tasks)
    head = ops.FusedHead(spec, inputs.tensors, THREADS)
    benchmark(head, inputs.raw, [PLACEMENT], mask_size)
