"""The tables of subjects: all that was found about each, as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from edge_mtl.benchmark.report.naming import NamedSubject
from edge_mtl.benchmark.report.numbers import DASH, TOO_FEW, count, number, span
from edge_mtl.benchmark.result import Accuracy, Camera, Interval


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure, and in smaller letters how sure it is or what it is made of.

    known: False where `text` says why there is no figure.
    """

    text: str
    detail: str = ""
    known: bool = True


COLUMNS = (
    *("p50 ms", "p90 ms", "p95 ms", "p99 ms", "p99.9 ms", "jitter ms", "frames/s", "accuracy"),
    *("memory MB", "first result s", "J a frame"),
)
LATENCIES = 6
"""How many of `COLUMNS`, from the left, are of a frame from end to end."""


def cells(named: NamedSubject) -> list[Cell]:
    """By `COLUMNS`."""
    subject, total = named.subject, named.total
    loop = subject.closed_loop
    intervals = (total.p50, total.p90, total.p95, total.p99, total.p999, loop.jitter_ms)
    return [
        *map(_interval, intervals),
        _interval(loop.frames_per_second),
        _accuracy(subject.accuracy),
        *_start(named),
        _energy(named),
    ]


CAMERA_COLUMNS = (
    *("offered", "dropped", "scenes", "late", "age p50 ms", "age p90 ms", "age p99 ms"),
    *("jitter ms", "accuracy"),
)


def camera_cells(named: NamedSubject, camera: Camera) -> list[Cell]:
    """By `CAMERA_COLUMNS`."""
    age = camera.age
    return [
        Cell(str(camera.offered), f"at {camera.rate_hz:g} Hz"),
        Cell(str(camera.dropped), _share(camera.dropped, camera.offered)),
        Cell(str(camera.scenes), f"in {camera.seconds:.3g} s"),
        Cell(str(camera.missed), _share(camera.missed, camera.scenes)),
        *map(_interval, (age.p50, age.p90, age.p99, camera.jitter_ms)),
        _accuracy(named.subject.accuracy),
    ]


def tasks_of(subjects: Iterable[NamedSubject]) -> list[str]:
    """The tasks that any of them has an accuracy of, in the order in which they come."""
    found: dict[str, None] = {}
    for subject in subjects:
        accuracy = subject.subject.accuracy
        if accuracy is not None:
            found.update(dict.fromkeys((*accuracy.labels, *accuracy.agreement)))
    return list(found)


def accuracy_cells(named: NamedSubject, tasks: Iterable[str]) -> list[Cell]:
    """Of every task, then the data and who measured."""
    accuracy = named.subject.accuracy
    if accuracy is None:
        return [*(Cell(DASH, known=False) for _ in tasks), Cell("nobody measured it", known=False)]
    found = []
    for task in tasks:
        if task in accuracy.labels:
            name, reached = accuracy.labels[task]
            found.append(Cell(f"{reached:.3f}", name))
        elif task in accuracy.agreement:
            name, reached = accuracy.agreement[task]
            found.append(Cell(f"{reached:.3f}", f"{name}, agreement"))
        else:
            found.append(Cell(DASH, known=False))
    by = "as its export measured" if accuracy.by == "export" else "by this run"
    return [*found, Cell(accuracy.data or "data not written down", by)]


def _interval(found: Interval | None) -> Cell:
    if found is None:
        return Cell(TOO_FEW, known=False)
    return Cell(number(found.value), span(found))


def _accuracy(accuracy: Accuracy | None) -> Cell:
    if accuracy is None:
        return Cell("not measured", known=False)
    if accuracy.mean is None:
        return Cell("no labels", f"{count(len(accuracy.agreement), 'task')} by agreement", False)
    if len(accuracy.labels) > 1:
        return Cell(f"{accuracy.mean:.3f}", f"mean of {count(len(accuracy.labels), 'task')}")
    [(task, (name, _))] = accuracy.labels.items()
    return Cell(f"{accuracy.mean:.3f}", f"{task} {name}")


def _start(named: NamedSubject) -> tuple[Cell, Cell]:
    start = named.subject.start
    if start is None or not start.first_result_s:
        return Cell("not measured", known=False), Cell("not measured", known=False)
    times = start.first_result_s
    spread = f"{number(min(times))}{DASH}{number(max(times))}"
    return Cell(number(start.peak_memory_mb)), Cell(number(median(times)), spread)


def _energy(named: NamedSubject) -> Cell:
    energy = named.subject.energy
    if isinstance(energy, str):
        return Cell("not told", "see below", known=False)
    return Cell(number(energy.joules_per_frame), f"{number(energy.watts)} W")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""
