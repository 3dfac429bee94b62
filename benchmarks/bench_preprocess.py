"""Preprocessing against OpenCV's letterbox and `blobFromImage`, 1280x720 to 640x384."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from kernel_inputs import PLACEMENT, SPEC, Dtype, camera_frame
from pytest_benchmark.fixture import BenchmarkFixture
from report import KERNELS, Report
from rivals.opencv_preprocess import BlobPreprocess, TablePreprocess

from edge_mtl import ops, reference
from edge_mtl.tensor_spec import TensorSpec

SCALE, ZERO_POINT = 0.0187, 114  # of the input in 8 bits
RIVALS: dict[str, Callable[..., Any]] = {
    "OpenCV blobFromImage": BlobPreprocess,
    "OpenCV table": TablePreprocess,
}
WAYS: dict[Dtype, tuple[str, ...]] = {
    "float32": (KERNELS, "OpenCV blobFromImage"),
    "uint8": (KERNELS, "OpenCV blobFromImage", "OpenCV table"),
}
# How many times as fast the kernel is to be, by threads.
WANTED = {("OpenCV blobFromImage", 1): 2.0, ("OpenCV blobFromImage", 2): 3.0}

pytestmark = pytest.mark.skipif(
    ops.compiled() is None, reason=ops.why_not_compiled() or "the kernels are compiled"
)


# The kernels come first: the others are measured by them.
@pytest.mark.parametrize(("dtype", "way"), [(dtype, way) for dtype in WAYS for way in WAYS[dtype]])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.benchmark(group="preprocess")
def test_preprocess(
    benchmark: BenchmarkFixture, report: Report, threads: int, dtype: Dtype, way: str
) -> None:
    cv2.setNumThreads(threads)
    frame = camera_frame()
    tensor = TensorSpec("image", SPEC.input_tensor.shape, dtype, SCALE, ZERO_POINT)
    out = np.empty(tensor.shape, dtype)
    preprocess = ops.Preprocessor(SPEC.input, tensor, threads)
    preprocess([frame], [PLACEMENT], out)
    case = f"preprocess, {dtype}, {threads} thread{'s' * (threads > 1)}"
    if way == KERNELS:
        expected = reference.preprocess(frame, PLACEMENT, SPEC.input, tensor)
        np.testing.assert_array_equal(out, expected)
        benchmark(preprocess, [frame], [PLACEMENT], out)
        report.add_ours(benchmark, case)
        return
    rival = RIVALS[way](SPEC.input, PLACEMENT, tensor)
    # OpenCV's resize rounds once more, by at most one of 255 values.
    one_value = 1.01 / 255 / min(SPEC.input.std)
    tolerance = one_value if dtype == "float32" else np.ceil(one_value / SCALE)
    off = np.abs(out.astype(np.float32) - rival(frame))
    assert off.max() <= tolerance
    benchmark(rival, frame)
    report.add_rival(benchmark, case, way, WANTED.get((way, threads)))
    benchmark.extra_info["largest_difference"] = float(off.max())
