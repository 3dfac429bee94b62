"""Masks against torch, and against answers worked out by hand."""

from typing import Any

import numpy as np
import pytest

from edge_mtl import reference
from edge_mtl.placement import Placement
from edge_mtl.tasks import SegmentationTask
from edge_mtl.tensor_spec import TensorSpec


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int8"])
@pytest.mark.parametrize(
    ("grid", "mask_size"), [((9, 13), (104, 72)), ((8, 16), (50, 31)), ((20, 24), (11, 7))]
)
def test_segmentation_is_torchs_interpolation_and_argmax(
    dtype: str, grid: tuple[int, int], mask_size: tuple[int, int]
):
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    rng = np.random.default_rng(5)
    logits = rng.integers(0, 120, (6, *grid)).astype(dtype)
    if dtype in ("float32", "float16"):
        logits += rng.random(logits.shape).astype(dtype)
    width, height = mask_size
    placement = Placement(mask_size, 0, 0, 64, 32)
    labels = reference.segment(logits, placement, (64, 32), mask_size)

    values = torch.from_numpy(logits.astype(np.float64))[None]
    full = torch.nn.functional.interpolate(values, (height, width), mode="bilinear")[0].numpy()
    # Positions are rounded to 1/2048 of a cell: only near-ties may differ.
    best, second = np.sort(full, axis=0)[[-1, -2]]
    clear = best - second > 120 / 1000
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(labels[clear], full.argmax(0)[clear])


def test_masks_undo_the_letterbox():
    """A frame at twice its placed size, beside padding, sees only its own part of the logits."""
    logits = np.random.default_rng(1).normal(size=(4, 8, 16)).astype(np.float32)
    placement = Placement((96, 64), 8, 0, 48, 32)
    whole = reference.segment(logits, Placement((128, 64), 0, 0, 64, 32), (64, 32), (128, 64))
    at_frame = reference.segment(logits, placement, (64, 32), (96, 64))
    np.testing.assert_array_equal(at_frame, whole[:, 16:112])
    whole = reference.segment(logits, Placement((64, 32), 0, 0, 64, 32), (64, 32), (64, 32))
    at_network = reference.segment(logits, placement, (64, 32), (48, 32))
    np.testing.assert_array_equal(at_network, whole[:, 8:56])


def labels_of(*classes: list[float]) -> list[int]:
    """The labels of a row of two cells, at four pixels, given each class's two logits."""
    logits = np.array(classes, np.float32)[:, None, :]
    return reference.segment(logits, Placement((4, 1), 0, 0, 4, 1), (4, 1), (4, 1))[0].tolist()


def test_the_first_of_equal_classes_wins():
    assert labels_of([1, 1], [1, 1], [0, 0]) == [0, 0, 0, 0]
    assert labels_of([0, 0], [1, 1], [1, 1]) == [1, 1, 1, 1]


def test_nan_never_wins_and_infinity_does_not_spoil_its_neighbours():
    nan, inf = np.nan, np.inf
    assert labels_of([nan, nan], [-5, -5]) == [1, 1, 1, 1]
    assert labels_of([nan, 2], [0, 0]) == [1, 1, 1, 0]
    assert labels_of([nan, nan], [nan, nan]) == [0, 0, 0, 0]
    assert labels_of([0, 0], [inf, inf], [nan, 1]) == [1, 1, 1, 1]
    assert labels_of([0, 0], [-inf, 1]) == [0, 0, 0, 1]
    assert labels_of([-inf, inf], [inf, -inf]) == [1, 1, 0, 0]


def test_one_class_and_one_cell():
    one = np.zeros((1, 1, 1), np.uint8)
    assert not reference.segment(one, Placement((3, 2), 0, 0, 5, 4), (5, 4), (3, 2)).any()
    two = np.array([3, 4], np.int8).reshape(2, 1, 1)
    assert (reference.segment(two, Placement((3, 2), 0, 0, 5, 4), (5, 4), (3, 2)) == 1).all()


def binary_labels_of(logits: list[float], **tensor: Any) -> list[int]:
    """The labels of a row of two cells, at four pixels, given the one logit of two classes."""
    task = SegmentationTask(name="mask", classes=("no", "yes"), binary=True)
    values = np.array(logits, tensor.get("dtype", np.float32))[None, None, :]
    two = reference.class_logits(task, TensorSpec("mask", (1, 1, 1, 2), **tensor), values)
    return reference.segment(two, Placement((4, 1), 0, 0, 4, 1), (4, 1), (4, 1))[0].tolist()


def test_the_second_of_two_classes_has_the_logits_above_zero():
    # The four pixels lie 0, 1/4, 3/4 and 1 of the way from the one cell to the other.
    assert binary_labels_of([1, -1]) == [1, 1, 0, 0]
    assert binary_labels_of([1, -4]) == [1, 0, 0, 0]
    assert binary_labels_of([-1, 4]) == [0, 1, 1, 1]
    assert binary_labels_of([1, -3]) == [1, 0, 0, 0]  # at one quarter, zero: not above it
    assert binary_labels_of([0, 0]) == [0, 0, 0, 0]
    assert binary_labels_of([0, 1e-38]) == [0, 1, 1, 1]


def test_of_two_classes_too_nan_is_the_lowest():
    assert binary_labels_of([np.nan, np.nan]) == [0, 0, 0, 0]
    assert binary_labels_of([np.nan, 5]) == [0, 0, 0, 1]
    assert binary_labels_of([np.inf, -np.inf]) == [1, 1, 0, 0]


def test_in_8_bits_zero_is_the_zero_point():
    assert binary_labels_of([131, 127], dtype="uint8", zero_point=128) == [1, 1, 0, 0]
    assert binary_labels_of([131, 119], dtype="uint8", zero_point=128) == [1, 0, 0, 0]
    assert binary_labels_of([-5, -3], dtype="int8", zero_point=-5) == [0, 1, 1, 1]


def test_at_stride_1_every_pixel_is_a_cell():
    logits = np.random.default_rng(4).normal(size=(1, 32, 64)).astype(np.float32)
    task = SegmentationTask(name="mask", classes=("no", "yes"), stride=1, binary=True)
    two = reference.class_logits(task, TensorSpec("mask", (1, *logits.shape)), logits)
    whole = Placement((640, 320), 0, 0, 64, 32)
    np.testing.assert_array_equal(reference.segment(two, whole, (64, 32), (64, 32)), logits[0] > 0)
