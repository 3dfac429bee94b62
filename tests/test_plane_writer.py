"""Planes reach the engine where the frame does, as `reference.preprocess` would bring a picture."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.placement import Placement
from edge_mtl.plane_writer import PlaneWriter
from edge_mtl.spec import InputSpec, ModelSpec, PlaneInput
from edge_mtl.tasks import SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

SPEC = ModelSpec(
    name="two",
    input=InputSpec(width=64, height=32),
    planes=(PlaneInput(name="depth", mean=0.5, std=0.25), PlaneInput(name="thermal")),
    backbone="none",
    tasks=(SegmentationTask(name="s", classes=("a", "b")),),
)


def written(
    planes: dict[str, Any], size: tuple[int, int], tensors: tuple[TensorSpec, ...]
) -> dict[str, Any]:
    out = {each.name: np.full(each.shape, 77, each.dtype) for each in tensors}
    PlaneWriter(SPEC, tensors)(planes, Placement.fit(size, SPEC.input), out)
    return out


def test_a_plane_lies_where_its_frame_does_and_is_unknown_around_it() -> None:
    thermal = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32)
    planes = {"depth": np.full((32, 32), 255, np.uint8), "thermal": thermal, "other": thermal}
    out = written(planes, (32, 32), SPEC.plane_tensors)
    np.testing.assert_array_equal(out["depth"][0, 0, :, 16:48], np.float32(2.0))  # (1 - 0.5) / 0.25
    np.testing.assert_array_equal(out["depth"][0, 0, :, :16], np.float32(-2.0))  # 0: unknown
    np.testing.assert_allclose(out["thermal"][0, 0, :, 16:48], thermal / 255.0, rtol=1e-6)
    assert not out["thermal"][0, 0, :, 48:].any()


def test_a_larger_plane_is_shrunk_as_its_frame_is() -> None:
    ramp = np.repeat(np.arange(128, dtype=np.uint8)[None], 64, axis=0)
    out = written({"depth": ramp, "thermal": ramp}, (128, 64), SPEC.plane_tensors)
    expected = np.arange(64) * 2 + 1  # between two columns, rounded
    np.testing.assert_allclose(out["thermal"][0, 0, 0] * 255.0, expected, atol=0.51)


def test_an_8_bit_engine_gets_the_steps_of_the_float_values() -> None:
    plane = np.repeat(np.arange(64, dtype=np.uint8)[None] * 4, 32, axis=0)
    planes = {"depth": plane, "thermal": plane}
    tensors = tuple(
        msgspec.structs.replace(each, dtype="uint8", scale=0.02, zero_point=100)
        for each in SPEC.plane_tensors
    )
    floats = written(planes, (64, 32), SPEC.plane_tensors)
    steps = written(planes, (64, 32), tensors)
    for name in planes:
        values = np.rint(floats[name] / np.float32(0.02)) + 100
        np.testing.assert_array_equal(steps[name], values.clip(0, 255))


def test_what_does_not_fit_is_refused() -> None:
    plane = np.zeros((32, 64), np.uint8)
    with pytest.raises(EdgeMtlError, match=r"takes the plane 'thermal'.* found depth"):
        written({"depth": plane}, (64, 32), SPEC.plane_tensors)
    wide = {"depth": plane, "thermal": plane.astype(np.uint16)}
    with pytest.raises(EdgeMtlError, match=r"\(32, 64\) uint8.* found \(32, 64\) uint16"):
        written(wide, (64, 32), SPEC.plane_tensors)
    with pytest.raises(EdgeMtlError, match=r"\(32, 64\) uint8.* found \(64, 32\) uint8"):
        written({"depth": plane.T, "thermal": plane}, (64, 32), SPEC.plane_tensors)
    with pytest.raises(EdgeMtlError, match=r"needs an input 'thermal'.* the engine has none"):
        PlaneWriter(SPEC, SPEC.plane_tensors[:1])
