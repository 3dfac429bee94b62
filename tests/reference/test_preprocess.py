"""Frames against OpenCV, and pixels against answers worked out by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tensor_spec import TensorSpec

RGB = InputSpec(width=64, height=32, mean=(0, 0, 0), std=(1 / 255, 1 / 255, 1 / 255), pad=9)
FLOAT = TensorSpec("image", (1, 3, 32, 64))


def frame_of(width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(64, 32), (71, 53), (200, 101), (13, 9), (1, 1), (1, 40)])
def test_preprocess_resizes_like_opencv(size: tuple[int, int]):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the oracle")
    frame = frame_of(*size)
    placement = Placement.fit(size, RGB)
    pixels = reference.preprocess(frame, placement, RGB, FLOAT)[0]
    x, y, width, height = placement.x, placement.y, placement.width, placement.height

    resized = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    expected = resized[:, :, ::-1].transpose(2, 0, 1)
    inside = pixels[:, y : y + height, x : x + width]
    assert np.abs(inside - expected).max() <= 1  # OpenCV rounds once more in between
    padding = np.ones((32, 64), bool)
    padding[y : y + height, x : x + width] = False
    np.testing.assert_allclose(pixels[:, padding], 9, rtol=1e-6)


def test_preprocess_of_the_same_size_changes_no_pixel():
    frame = frame_of(64, 32)
    pixels = reference.preprocess(frame, Placement((64, 32), 0, 0, 64, 32), RGB, FLOAT)
    np.testing.assert_allclose(pixels[0], frame[:, :, ::-1].transpose(2, 0, 1), atol=1e-4)


def test_pixels_are_normalised_and_quantised_as_onnx_does():
    network_input = InputSpec(width=64, height=32)
    np.testing.assert_allclose(
        network_input.normalization()[:, [0, 255]],
        [[-2.117904, 2.248908], [-2.035714, 2.428571], [-1.804444, 2.64]],
        rtol=1e-6,
    )
    half = reference.pixel_table(network_input, TensorSpec("image", (1, 3, 32, 64), "float16"))
    assert half.dtype == np.float16
    assert half[0, 0] == np.float16(-2.117904)
    halves = InputSpec(width=64, height=32, mean=(0, 0, 0), std=(2 / 255,) * 3)
    # Steps 0.5 and 1.5 go to the even neighbour, 250 / 2 / 0.1 saturates.
    signed = reference.pixel_table(halves, TensorSpec("image", (1, 3, 32, 64), "int8", 1.0, -3))
    assert signed.dtype == np.int8
    assert signed[0, [0, 1, 3, 255]].tolist() == [-3, -3, -1, 125]
    unsigned = reference.pixel_table(halves, TensorSpec("image", (1, 3, 32, 64), "uint8", 0.1, 5))
    assert unsigned[2, [0, 2, 250]].tolist() == [5, 15, 255]
