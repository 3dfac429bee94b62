from __future__ import annotations

import threading

import numpy as np
import pytest

from edge_mtl.benchmark.streams import doubled, throughput
from edge_mtl.bundle import Bundle
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame

pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

FRAMES = [Frame(np.full((48, 90, 3), value, np.uint8), 0, 0) for value in (0, 200)]


@pytest.mark.parametrize(
    ("most", "numbers"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8])]
)
def test_doubling_ends_at_the_most(most: int, numbers: list[int]) -> None:
    assert list(doubled(most)) == numbers


def test_streams_and_batches_of_an_engine_that_takes_three(tiny_bundle_of_3: Bundle) -> None:
    opened: list[tuple[int, int]] = []

    def open_pipelines(count: int, frames: int) -> list[Pipeline]:
        opened.append((count, frames))
        return Pipeline.open_several(tiny_bundle_of_3, count, "onnxruntime", 1)

    found = throughput(open_pipelines, FRAMES, 0.05, 2)
    assert opened == [(1, 1), (2, 1)]
    assert [(each.streams, each.batch) for each in found] == [
        *((1, 1), (1, 2), (1, 3)),
        *((2, 1), (2, 2), (2, 3)),
    ]
    for each in found:
        rate = each.frames_per_second
        assert 0 < rate.low <= rate.value <= rate.high
        assert each.p50_ms > 0


class Together:
    """A pipeline whose batches, but for the first, wait for those of all others."""

    most_frames = 1

    def __init__(self, everybody: threading.Barrier) -> None:
        self._everybody = everybody
        self._warm = False

    def batch(self, frames: list[Frame]) -> None:
        if self._warm:
            self._everybody.wait(30)  # raises where the others do not come
        self._warm = True

    def close(self) -> None:
        pass


def test_streams_run_at_the_same_time() -> None:
    def open_pipelines(count: int, frames: int) -> list[Together]:
        everybody = threading.Barrier(count)
        return [Together(everybody) for _ in range(count)]

    found = throughput(open_pipelines, FRAMES, 0.0, 3)  # type: ignore[arg-type]
    assert [each.streams for each in found] == [1, 2, 3]
