"""The exponential against the library's, and logits and scores against each other."""

import numpy as np
import pytest

from edge_mtl import reference


def test_the_exponential_is_the_exponential():
    exponents = np.concatenate([np.linspace(-200, 200, 20001), np.linspace(-1, 1, 2001)])
    np.testing.assert_allclose(reference.exponential(exponents), np.exp(exponents), rtol=1e-11)
    assert reference.exponential(np.zeros(1)) == 1.0


def test_exponents_out_of_range_count_as_its_ends():
    beyond = reference.exponential(np.array([-np.inf, -1e30, 1e30, np.inf]))
    np.testing.assert_allclose(beyond, np.exp([-200.0, -200, 200, 200]), rtol=1e-11)


def test_the_weights_of_bins_are_the_exponential():
    exponents = np.linspace(-80, 0, 80001, dtype=np.float32)
    exact = np.exp(exponents.astype(np.float64))
    weights = reference.bin_weights(exponents)
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, exact, rtol=5e-6)
    near = exponents > -10  # others hardly count
    np.testing.assert_allclose(weights[near], exact[near], rtol=8e-7)
    far = reference.bin_weights(np.array([0.0, -80.1, -2e30, -np.inf], np.float32))
    np.testing.assert_allclose(far, np.exp([0.0, -80, -80, -80]), rtol=5e-6)
    assert far[0] == 1.0


def test_sigmoid_is_right_to_the_last_bit_of_float32_and_ends_at_0_and_1():
    logits = np.linspace(-100, 100, 40001, dtype=np.float32)
    exact = 1 / (1 + np.exp(-logits.astype(np.float64)))
    np.testing.assert_array_max_ulp(reference.sigmoid(logits), exact.astype(np.float32), 1)
    ends = np.array([np.nan, -np.inf, -3e38, 3e38, np.inf], np.float32)
    assert reference.sigmoid(ends).tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("score", [0.01, 0.3, 0.5, 0.99])
def test_logit_undoes_sigmoid(score: float):
    logits = np.array([reference.logit(score)], np.float32)
    assert reference.sigmoid(logits)[0] == pytest.approx(score, rel=1e-6)


def test_the_logits_of_certainty_are_infinite():
    assert (reference.logit(0.0), reference.logit(1.0)) == (-np.inf, np.inf)
