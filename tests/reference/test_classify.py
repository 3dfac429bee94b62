"""Scores of the whole picture against torch, and where logits are not finite."""

from typing import Any

import numpy as np
import pytest

from edge_mtl import reference
from edge_mtl.tasks import ClassificationTask
from edge_mtl.tensor_spec import TensorSpec

NAN, INF = np.nan, np.inf


def scores_of(logits: list[float], multi_label: bool = False, **quantisation: Any) -> list[float]:
    classes = tuple(f"class {i}" for i in range(len(logits)))
    task = ClassificationTask(name="time", classes=classes, multi_label=multi_label)
    raw = np.array(logits, quantisation.get("dtype", np.float32)).reshape(1, -1, 1, 1)
    result = reference.classify(task, TensorSpec("time", raw.shape, **quantisation), raw)
    assert (result.classes, result.scores.dtype) == (classes, np.float32)
    return result.scores.tolist()


@pytest.mark.parametrize("multi_label", [False, True])
def test_scores_are_torchs(multi_label: bool):
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    logits = np.random.default_rng(0).normal(scale=8, size=50).astype(np.float32)
    values = torch.from_numpy(logits).double()
    expected = values.sigmoid() if multi_label else values.softmax(0)
    np.testing.assert_allclose(scores_of(logits.tolist(), multi_label), expected.numpy(), rtol=1e-6)


def test_nan_is_the_lowest():
    assert scores_of([NAN, 0, 0]) == [0, 0.5, 0.5]
    assert scores_of([NAN, -1e30]) == [0.5, 0.5]
    assert scores_of([NAN, NAN, -INF, NAN]) == [0.25] * 4
    assert scores_of([NAN, 0], multi_label=True) == [0, 0.5]


def test_infinite_logits_are_sure():
    assert scores_of([INF, 5, -INF]) == [1, 0, 0]
    assert scores_of([INF, INF]) == [0.5, 0.5]
    assert scores_of([INF, -INF], multi_label=True) == [1, 0]


def test_large_logits_do_not_overflow():
    assert scores_of([3e38, 3e38, -3e38]) == [0.5, 0.5, 0]
    assert scores_of([1000, 999])[1] == pytest.approx(1 / (1 + np.e), rel=1e-6)


def test_8_bits_are_dequantised():
    quantised = {"dtype": "uint8", "scale": 0.5, "zero_point": 128}
    assert scores_of([130, 128, 0], **quantised) == pytest.approx(scores_of([1, 0, -64]))
    assert scores_of([128, 130], multi_label=True, **quantised)[1] == pytest.approx(0.7310586)


def test_one_class_is_certain():
    assert scores_of([-7]) == [1]
