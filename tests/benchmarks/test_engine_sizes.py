"""What the sizes of engines say about how TensorRT-RTX computes a convolution."""

from __future__ import annotations

import pytest
from engine_sizes import CAPABILITIES, convolution, engine_bytes

CHANNELS = 256

pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx, of extra tensorrt-rtx, is missing")


def test_a_depthwise_convolution_in_int8_is_computed_dense() -> None:
    """Why the scheme of RTX leaves them in float; when this fails, look at the scheme again."""
    float_graph, int8_graph = (convolution(CHANNELS, CHANNELS, each) for each in (False, True))
    for capabilities in CAPABILITIES[:2]:
        half = engine_bytes(float_graph, "fp16", capabilities)
        assert engine_bytes(int8_graph, "int8", capabilities) - half > 50 * CHANNELS * 9


def test_a_dense_convolution_in_int8_holds_half_of_fp16() -> None:
    dense = convolution(CHANNELS, 1, False)
    single, half = (engine_bytes(dense, "fp32", ("8.6",)), engine_bytes(dense, "fp16", ("8.6",)))
    eight = engine_bytes(convolution(CHANNELS, 1, True), "int8", ("8.6",))
    weights = CHANNELS * CHANNELS * 9
    assert single - half == pytest.approx(2 * weights, rel=0.1)
    assert half - eight == pytest.approx(weights, rel=0.1)
