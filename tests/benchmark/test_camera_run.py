from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edge_mtl.benchmark.camera_run import TURNS, run_as_camera
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

FRAMES = [Frame(np.zeros((48, 90, 3), np.uint8), 0, 0)]


class Takes:
    """A pipeline that takes so many seconds for a frame."""

    most_frames = 1

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def batch(self, frames: Sequence[Frame]) -> list[Scene]:
        time.sleep(self._seconds)
        return [Scene((90, 48), {}, {}, captured_ns=each.captured_ns) for each in frames]


def run(pipelines: Any, watch: Any, rate_hz: float, deadline_ms: float) -> dict[str, Any]:
    return run_as_camera(pipelines, FRAMES, 0.8, rate_hz, deadline_ms, watch, lambda *_: None)


def test_waiting_counts(watch: Any) -> None:
    """A closed loop would say 50 ms. Of a frame that waited for the one before it is more."""
    found = run({"slow": Takes(0.05)}, watch, 100.0, 50.0)["slow"]
    assert found.offered > 40
    assert found.scenes + found.dropped <= found.offered
    assert found.dropped > found.scenes  # five frames come while one is looked at
    assert found.missed == found.scenes
    assert found.age.p50.value > 50.0
    assert len(found.ages) == found.scenes
    at_s = [each for each, _ in found.ages]
    assert at_s == sorted(at_s)
    assert watch.looks == TURNS


def test_one_that_keeps_up_drops_nothing(watch: Any) -> None:
    found = run({"fast": Takes(0.0)}, watch, 20.0, 10_000.0)["fast"]
    assert (found.dropped, found.missed) == (0, 0)
    assert found.scenes >= 10
    assert found.rate_hz == 20.0


def test_turns_are_taken(watch: Any) -> None:
    found = run({"a": Takes(0.01), "b": Takes(0.01)}, watch, 50.0, 20.0)
    assert list(found) == ["a", "b"]
    assert watch.looks == 2 * TURNS


def test_many_ages_are_thinned(watch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_mtl.benchmark.camera_run._TOLD", 4)
    found = run({"fast": Takes(0.0)}, watch, 50.0, 20.0)["fast"]
    assert len(found.ages) <= 4 < found.scenes
