"""A data set that goes on where a file of it is damaged, and says so."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from edge_mtl.data.datasets import Dataset
from edge_mtl.data.sample import Sample
from edge_mtl.errors import EdgeMtlError, UsageError

LONGEST_GAP = 100
"""So many unreadable samples in a row are no accident but a disk that is gone."""

_log = logging.getLogger(__name__)


class SkipReport:
    """Warns of every unreadable sample once, and counts them, whoever met them."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def add(self, problems: Iterable[str]) -> None:
        """Take note of what `Skipping.read` had to skip, in this process or in another."""
        for problem in problems:
            if problem not in self._reported:
                self._reported.add(problem)
                _log.warning("skipped: %s", problem)

    @property
    def skipped(self) -> int:
        """How many samples could not be read."""
        return len(self._reported)


class Skipping:
    """A data set in whose place of an unreadable sample stands the next readable one.

    Which one that is depends on the files alone: in every process and every epoch the same index
    gives the same sample. What was skipped is noted in `report`.
    """

    def __init__(self, dataset: Dataset, report: SkipReport | None = None) -> None:
        self.name = dataset.name
        self.vocabulary = dataset.vocabulary
        self.report = report or SkipReport()
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        sample, problems = self.read(index)
        self.report.add(problems)
        return sample

    def read(self, index: int) -> tuple[Sample, tuple[str, ...]]:
        """A sample, and what is wrong with those that it stands in for.

        For processes that load data: they hand the problems over with the sample, and the process
        that trains notes them in one `SkipReport`.

        Raises:
            EdgeMtlError: `LONGEST_GAP` samples in a row, or all there are, cannot be read.
        """
        problems: list[str] = []
        for step in range(min(LONGEST_GAP, len(self._dataset))):
            # Only behind an index that exists: one beyond the end ends an iteration.
            place = index if step == 0 else (index + step) % len(self._dataset)
            try:
                return self._dataset[place], tuple(problems)
            except UsageError:
                raise
            except EdgeMtlError as error:
                problems.append(str(error))
        raise EdgeMtlError(
            f"{self.name}: {len(problems)} samples in a row cannot be read, the first: "
            f"{problems[0]}; is the disk still there?"
        )
