"""The tables at the end of a run: how many times as fast, how near to the floor, how accurate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from statistics import median
from typing import Any

import msgspec
from floors import Floor
from head_result import Difference
from pytest_benchmark.fixture import BenchmarkFixture
from rich.table import Table
from spread import LEAST_ROUNDS, medians_of_parts, times_as_fast

from edge_mtl.benchmark import statistics
from edge_mtl.benchmark.result import Interval

KERNELS = "edge-mtl"


@dataclass(frozen=True)
class Ratio:
    """Medians of two ways to do the same, in milliseconds.

    wanted: what `rival_ms / ours_ms` is to reach, or with `at_most` is not to exceed; None where
        it is only to be known.
    interval: of this ratio, from the rounds; None where nobody knows it.
    paired: whether both were timed in turn, round by round.
    """

    case: str
    ours_ms: float
    rival: str
    rival_ms: float
    wanted: float | None = None
    at_most: bool = False
    interval: Interval | None = None
    paired: bool = False

    @classmethod
    def in_turn(
        cls,
        case: str,
        ours_ms: Sequence[float],
        rival: str,
        rival_ms: Sequence[float],
        wanted: float | None = None,
        at_most: bool = False,
    ) -> Ratio:
        """Of both in the same rounds: what slows a round slows both sides."""
        medians = median(ours_ms), rival, median(rival_ms)
        enough = len(ours_ms) >= LEAST_ROUNDS
        interval = statistics.ratio(ours_ms, rival_ms) if enough else None
        return cls(case, *medians, wanted, at_most, interval, paired=True)

    @classmethod
    def apart(
        cls,
        case: str,
        ours_ms: Sequence[float],
        rival: str,
        rival_ms: Sequence[float],
        wanted: float | None = None,
        at_most: bool = False,
    ) -> Ratio:
        """Of one after the other."""
        medians = median(ours_ms), rival, median(rival_ms)
        parts = medians_of_parts(ours_ms), medians_of_parts(rival_ms)
        return cls(case, *medians, wanted, at_most, times_as_fast(*parts))

    @property
    def ratio(self) -> float:
        return self.rival_ms / self.ours_ms

    @property
    def reached(self) -> bool | None:
        if self.wanted is None:
            return None
        return self.ratio < self.wanted if self.at_most else self.ratio >= self.wanted

    def to_json(self) -> dict[str, Any]:
        return {
            "case": self.case,
            "ours_ms": self.ours_ms,
            "rival": self.rival,
            "rival_ms": self.rival_ms,
            "ratio": self.ratio,
            "interval": msgspec.to_builtins(self.interval),
            "paired": self.paired,
            "at_most": self.at_most,
            "wanted": self.wanted,
            "reached": self.reached,
        }

    def cells(self) -> list[str]:
        sign = "<" if self.at_most else ">="
        wanted = "" if self.wanted is None else f"{sign} {self.wanted:g}"
        reached = {None: "", True: "yes", False: "no"}[self.reached]
        return [
            self.case,
            f"{self.ours_ms:.3f}",
            self.rival,
            f"{self.rival_ms:.3f}",
            f"{self.ratio:.2f}",
            f"{self.interval.low:.2f} to {self.interval.high:.2f}" if self.interval else "",
            wanted,
            reached,
        ]


@dataclass
class Report:
    """What the benchmarks of one session found.

    ours_ms: by case, its rounds. accuracies: case, what is compared, with what it is compared.
    verbatim: text to be printed as it is, to be copied from there.
    """

    ours_ms: dict[str, list[float]] = field(default_factory=dict)
    ratios: list[Ratio] = field(default_factory=list)
    floors: list[tuple[str, Floor, float]] = field(default_factory=list)
    accuracies: list[tuple[str, str, str, Difference]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verbatim: list[str] = field(default_factory=list)

    def add_ours(self, benchmark: BenchmarkFixture, case: str) -> None:
        """The benchmark that has just run is the kernels' part of `case`."""
        rounds_ms = all_rounds_ms(benchmark)
        if rounds_ms:
            self.ours_ms[case] = rounds_ms

    def add_rival(
        self,
        benchmark: BenchmarkFixture,
        case: str,
        rival: str,
        wanted: float | None = None,
        at_most: bool = False,
    ) -> None:
        """The benchmark that has just run is a rival's part of `case`, after the kernels' own."""
        rival_ms, ours_ms = all_rounds_ms(benchmark), self.ours_ms.get(case)
        if rival_ms and ours_ms:
            ratio = Ratio.apart(case, ours_ms, rival, rival_ms, wanted, at_most)
            self.ratios.append(ratio)
            benchmark.extra_info.update(ratio.to_json())

    def add_in_turn(
        self,
        benchmark: BenchmarkFixture,
        case: str,
        rival: str,
        rival_ms: Sequence[float],
        wanted: float | None = None,
        at_most: bool = False,
    ) -> None:
        """The benchmark that has just run is `case`; a rival had a turn before each of its rounds,
        the warm-up included."""
        ours_ms = all_rounds_ms(benchmark)
        if ours_ms:
            rounds_ms = rival_ms[-len(ours_ms) :]
            ratio = Ratio.in_turn(case, ours_ms, rival, rounds_ms, wanted, at_most)
            self.ratios.append(ratio)
            benchmark.extra_info[rival] = ratio.to_json()

    def add_floor(self, benchmark: BenchmarkFixture, kernel: str, floor: Floor) -> None:
        """The benchmark that has just run is of a kernel that cannot be faster than `floor`."""
        took_ms = median_ms(benchmark)
        if took_ms is not None:
            self.floors.append((kernel, floor, took_ms))
            benchmark.extra_info.update(floor.to_json(), times=took_ms / floor.ms)

    def note(self, line: str) -> None:
        """A line below the tables, once however often it is said."""
        if line not in self.notes:
            self.notes.append(line)

    def tables(self) -> Iterator[Table]:
        """Those that have rows."""
        ratios = _table(
            "Speed, medians", "case", "ms", "rival", "rival's ms", "ratio", "95 %", "wanted", ""
        )
        for ratio in self.ratios:
            ratios.add_row(*ratio.cells())
        floors = _table("Floors, medians", "kernel", "ms", "MB", "bytes' ms", "ops' ms", "times")
        for kernel, floor, took_ms in self.floors:
            numbers = took_ms, floor.work.moved / 1e6, floor.bytes_ms, floor.operations_ms
            floors.add_row(
                kernel, *(f"{each:.3f}" for each in numbers), f"{took_ms / floor.ms:.1f}"
            )
        accuracies = _table(
            *("Accuracy", "case", "of", "by", "pixels that differ", "from a tie by", "boxes px"),
            *("keypoints px", "scores", "same set"),
        )
        for case, of, by, found in self._summed_up():
            accuracies.add_row(
                *(case, of, by, f"{100 * found.pixels:.4f} %", f"{found.tie:.2g}"),
                *(f"{each:.2g}" for each in (found.boxes_px, found.points_px, found.scores)),
                "yes" if found.same_set else "no",
            )
        yield from (table for table in (ratios, floors, accuracies) if table.row_count)

    def _summed_up(self) -> Iterator[tuple[str, str, str, Difference]]:
        """The kernels' accuracies case by case; of each rival the worst."""
        rivals: dict[tuple[str, str], list[Difference]] = {}
        for case, of, by, found in self.accuracies:
            if of == KERNELS:
                yield case, of, by, found
            else:
                rivals.setdefault((of, by), []).append(found)
        for (of, by), all_found in rivals.items():
            yield f"the worst of {len(all_found)}", of, by, reduce(Difference.worst, all_found)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        text = column in ("case", "rival", "kernel", "of", "by", "")
        table.add_column(column, justify="left" if text else "right")
    return table


def all_rounds_ms(benchmark: BenchmarkFixture) -> list[float]:
    """Of the benchmark that has just run, in order; none where benchmarks are disabled."""
    return [] if benchmark.stats is None else [1e3 * each for each in benchmark.stats.stats.data]


def median_ms(benchmark: BenchmarkFixture) -> float | None:
    """Of the benchmark that has just run; None where benchmarks are disabled."""
    return None if benchmark.stats is None else 1e3 * float(benchmark.stats.stats.median)
