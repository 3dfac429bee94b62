from __future__ import annotations

import time

import pytest
import torch

from edge_mtl.train.batch import Batch
from edge_mtl.train.step import StepResult
from edge_mtl.train.tally import Tally


def test_losses_are_means_over_the_batches_that_have_them() -> None:
    tally = Tally()
    tally.add([], StepResult({"a": [1.0, 2.0], "b": [5.0]}, [6.0, 2.0], {"a": 1.0, "b": 1.0}), 8)
    tally.add([], StepResult({"a": [6.0]}, [12.0], {"a": 2.0, "b": 1.0}), 8)
    line = tally.line()
    assert line["loss"] == {"a": 3.0, "b": 5.0, "total": pytest.approx(20 / 3)}
    assert line["weights"] == {"a": 2.0, "b": 1.0}
    assert tally.losses == {"a": 3.0, "b": 5.0}


def test_waiting_is_not_working() -> None:
    tally = Tally()

    def slow() -> object:
        for number in (1, 2):
            time.sleep(0.05)
            yield number

    for _ in tally.timed(slow()):
        time.sleep(0.02)
    tally.add([], StepResult({}, [0.0], {}), 14)
    line = tally.line()
    assert line["waited"] >= 0.1
    assert line["seconds"] - line["waited"] >= 0.03  # both are rounded
    assert line["images_per_second"] == pytest.approx(14 / line["seconds"], rel=0.1)


def test_what_was_skipped_counts_once() -> None:
    tally = Tally()
    batches = [
        Batch(torch.zeros(1), {}, [], [], skipped=skipped) for skipped in [("x",), (), ("x", "y")]
    ]
    tally.add(batches, StepResult({}, [0.0], {}), 1)
    assert tally.skipped == {"x", "y"}
