from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edge_mtl.labelling.probabilities import frame_probabilities, winners
from edge_mtl.placement import Placement
from edge_mtl.spec import InputSpec
from edge_mtl.tasks import SegmentationTask
from edge_mtl.tensor_spec import TensorSpec

TASK = SegmentationTask(name="classes", classes=("a", "b", "c"))
FLOAT = TensorSpec("classes", (1, 3, 16, 24))
INPUT = InputSpec(width=96, height=64)


@pytest.fixture
def logits() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3, FLOAT.shape).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum(0)


def test_a_frame_as_large_as_the_logits_has_their_softmax(logits: np.ndarray) -> None:
    placement = Placement.fit((24, 16), INPUT)
    found = frame_probabilities(TASK, FLOAT, logits, placement, INPUT.size)
    assert_allclose(found, softmax(logits[0]), atol=1e-6)


def test_between_cells_probabilities_are_blended(logits: np.ndarray) -> None:
    """At twice the size every pixel lies a quarter of a cell from the nearest centre."""
    placement = Placement.fit((48, 32), INPUT)
    found = frame_probabilities(TASK, FLOAT, logits, placement, INPUT.size)
    assert_allclose(found.sum(0), 1.0, atol=1e-5)
    at_cells = softmax(logits[0])
    across = 0.75 * at_cells[:, :, 3] + 0.25 * at_cells[:, :, 4]
    expected = 0.75 * across[:, 5] + 0.25 * across[:, 4]
    assert_allclose(found[:, 10, 7], expected, atol=1e-3)  # in steps of 1/2048


def test_the_padding_around_a_frame_is_left_out(logits: np.ndarray) -> None:
    """A square frame lies in columns 4 to 20 of the 24."""
    placement = Placement.fit((16, 16), INPUT)
    found = frame_probabilities(TASK, FLOAT, logits, placement, INPUT.size)
    assert_allclose(found, softmax(logits[0])[:, :, 4:20], atol=1e-6)


def test_what_was_seen_mirrored_is_mirrored_back(logits: np.ndarray) -> None:
    placement = Placement.fit((50, 40), INPUT)
    straight = frame_probabilities(TASK, FLOAT, logits, placement, INPUT.size)
    back = frame_probabilities(TASK, FLOAT, logits, placement, INPUT.size, mirrored=True)
    assert_allclose(back, straight[:, :, ::-1], atol=1e-6)


def test_eight_bits_and_one_logit_for_two_classes() -> None:
    task = SegmentationTask(name="lanes", classes=("background", "lane"), binary=True)
    tensor = TensorSpec("lanes", (1, 1, 16, 24), "uint8", scale=0.1, zero_point=100)
    raw = np.full(tensor.shape, 110, np.uint8)  # a logit of 1
    placement = Placement.fit((24, 16), INPUT)
    found = frame_probabilities(task, tensor, raw, placement, INPUT.size)
    assert_allclose(found[1], 1 / (1 + np.exp(-1.0)), atol=1e-6)
    assert_allclose(found.sum(0), 1.0, atol=1e-6)


def test_the_first_of_equal_classes_wins() -> None:
    values = np.random.default_rng(0).integers(0, 3, (5, 20, 30)).astype(np.float32)
    labels, best = winners(values)
    assert labels.dtype == np.uint8
    assert_array_equal(labels, values.argmax(0))
    assert_array_equal(best, values.max(0))
