"""`Tally`: what the steps of an epoch come to, as a line of `metrics.jsonl`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from edge_mtl.train.batch import Batch
from edge_mtl.train.step import StepResult

T = TypeVar("T")


class Tally:
    """Adds up an epoch from its start on."""

    def __init__(self) -> None:
        self.skipped: set[str] = set()
        """What could not be read, a line a file."""
        self._started = time.monotonic()
        self._waited_s = 0.0
        self._samples = 0
        self._losses: dict[str, list[float]] = {}
        self._totals: list[float] = []
        self._weights: dict[str, float] = {}

    def timed(self, items: Iterable[T]) -> Iterator[T]:
        """The items, the time that each takes to come counted as waiting."""
        source = iter(items)
        while True:
            asked = time.monotonic()
            item = next(source, None)
            self._waited_s += time.monotonic() - asked
            if item is None:
                return
            yield item

    def add(self, batches: Iterable[Batch], result: StepResult, samples: int) -> None:
        """Add a step over some batches of this process, of `samples` samples in all processes."""
        self._samples += samples
        for batch in batches:
            self.skipped.update(batch.skipped)
        for name, losses in result.losses.items():
            self._losses.setdefault(name, []).extend(losses)
        self._totals += result.totals
        self._weights = result.weights

    @property
    def losses(self) -> dict[str, float]:
        """The mean loss of each task over the batches that have labels for it."""
        return {name: sum(each) / len(each) for name, each in self._losses.items()}

    @property
    def images_per_second(self) -> float:
        return self._samples / max(1e-9, time.monotonic() - self._started)

    def line(self) -> dict[str, Any]:
        """ "loss" by task, and their weighted sum as "total"; the last "weights" by task;
        "images_per_second" over all processes; "seconds" so far, and those of them that this
        process "waited" for data."""
        return {
            "loss": {**self.losses, "total": sum(self._totals) / len(self._totals)},
            "weights": self._weights,
            "images_per_second": round(self.images_per_second, 2),
            "seconds": round(time.monotonic() - self._started, 2),
            "waited": round(self._waited_s, 2),
        }
