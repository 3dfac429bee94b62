"""Names under which a report shows what is in one or several results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from edge_mtl.benchmark.report.numbers import count, listed
from edge_mtl.benchmark.result import BenchResult, Latency, Subject

_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class NamedSubject:
    """A subject and how it is told from all others, on paper without colours too.

    number: from 1, over all results.
    name: with the letter of its result, where there are several: "A: driving-s, openvino".
    """

    number: int
    name: str
    subject: Subject

    @property
    def total(self) -> Latency:
        """Of a frame from end to end in the closed loop."""
        return self.subject.closed_loop.stages["total"]


@dataclass(frozen=True, slots=True)
class NamedResult:
    """A result with its letter, which is empty where none is needed."""

    letter: str
    result: BenchResult
    subjects: tuple[NamedSubject, ...]

    @property
    def machine(self) -> str:
        """What it ran on, in a few words."""
        machine = self.result.machine
        parts = (machine.processor, count(machine.cores, "core"), *self.result.gpus)
        return ", ".join(parts)

    @property
    def title(self) -> str:
        """The machine, behind the letter where there is one."""
        return self.named(self.machine)

    def titled(self, chart: str) -> str:
        """A chart of this result, with the machine where there are several."""
        return f"{chart} ({self.title})" if self.letter else chart

    def named(self, name: str) -> str:
        """A name within this result."""
        return f"{self.letter}: {name}" if self.letter else name


def named(results: Sequence[BenchResult]) -> list[NamedResult]:
    """Letters for results and numbers for subjects, in their order.

    There are no letters where one result of several has all subjects and one machine made all, as
    the curves and estimates that belong to a run.
    """
    machines = {(each.machine, each.gpus) for each in results}
    several = len(machines) > 1 or sum(bool(each.subjects) for each in results) > 1
    found: list[NamedResult] = []
    number = 0
    for index, result in enumerate(results):
        letter = _letters(index) if several else ""
        bare = NamedResult(letter, result, ())
        subjects = tuple(
            NamedSubject(number + place, bare.named(subject.name), subject)
            for place, subject in enumerate(result.subjects, start=1)
        )
        number += len(subjects)
        found.append(NamedResult(letter, result, subjects))
    return found


def title_of(measured: Sequence[NamedResult]) -> str:
    """What a report of results with subjects is about."""
    models = dict.fromkeys(each.subject.model for result in measured for each in result.subjects)
    if not models:
        return "Scaling and estimates"
    told = listed(list(models)) if len(models) <= _MOST_NAMED else count(len(models), "network")
    return f"Latency and accuracy of {told}"


def _letters(index: int) -> str:
    """A to Z, then AA, AB and so on."""
    rest, place = divmod(index, len(ascii_uppercase))
    return (_letters(rest - 1) if rest else "") + ascii_uppercase[place]
