"""Accuracy over latency, and which variants no other one beats at both."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.benchmark.report.accuracy import Yardstick, yardstick
from edge_mtl.benchmark.report.axes import BOTTOM_PX, Axis, around, draw_bottom, draw_left
from edge_mtl.benchmark.report.naming import NamedResult, NamedSubject
from edge_mtl.benchmark.report.numbers import listed, number
from edge_mtl.benchmark.report.svg import Drawing, Figure, Spot, apart, series, text_px, twice

_LEFT, _TOP, _HEIGHT = 52, 14, 300
_LEAST_SPAN = 0.05  # of accuracy: a difference of half a point is not to fill the chart

Measured = tuple[NamedSubject, float, float]
"""A subject, the p50 of a frame in ms, and the mean of its accuracies."""


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """The places of the points (latency, accuracy) that no other one beats, by latency.

    One beats another where it is as good in both and better in one, so that all of several equal
    ones are there.
    """
    found = [
        place
        for place, (ms, accuracy) in enumerate(points)
        if not any(a <= ms and b >= accuracy and (a < ms or b > accuracy) for a, b in points)
    ]
    return sorted(found, key=lambda place: points[place])


def paretos(results: Sequence[NamedResult]) -> list[Figure | str]:
    """A chart for every kind of accuracy, with the subjects of all results; in words, what has
    none."""
    kinds: dict[Yardstick, None] = {}
    unmeasured = []
    for subject in (each for result in results for each in result.subjects):
        kind = yardstick(subject.subject.accuracy)
        if kind is None:
            unmeasured.append(subject.name)
        else:
            kinds[kind] = None
    note = f"Not shown, because nobody measured the accuracy: {listed(unmeasured)}."
    notes = (note,) if unmeasured else ()
    if not kinds:
        return [note] if unmeasured else []
    return [_pareto(results, kind, notes) for kind in kinds]


def _measured(subjects: Sequence[NamedSubject], kind: Yardstick) -> list[Measured]:
    found = []
    for subject in subjects:
        accuracy = subject.subject.accuracy
        if (
            yardstick(subject.subject.accuracy) == kind
            and accuracy is not None
            and accuracy.mean is not None
        ):
            found.append((subject, subject.total.p50.value, accuracy.mean))
    return found


def _pareto(results: Sequence[NamedResult], kind: Yardstick, notes: tuple[str, ...]) -> Figure:
    groups = [(each, found) for each in results if (found := _measured(each.subjects, kind))]
    points = [point for _, found in groups for point in found]
    data, tasks = kind
    means = ", ".join(f"{task} {name}" for task, name in tasks)
    if len(tasks) > 1:
        means = f"mean of {means}"
    title = (
        f"Accuracy on {data}" if data is not None else "Accuracy, on data that nobody wrote down"
    )

    def draw(width: int) -> Drawing:
        drawing = Drawing(width, _TOP + _HEIGHT + BOTTOM_PX, f"Accuracy over latency. {title}")
        right = width - 14
        bounds = [ms for point in points for ms in (point[1], _tail_ms(point[0]))]
        across = around(bounds, _LEFT, right)
        up = around(
            [accuracy for _, _, accuracy in points],
            _TOP + _HEIGHT - 16,
            _TOP + 16,
            log=False,
            least=_LEAST_SPAN,
        )
        draw_left(drawing, up, _LEFT, right, told=lambda each: f"{each:.2f}")
        draw_bottom(drawing, across, _TOP, _TOP + _HEIGHT, "p50 of a frame, ms")
        for _, found in groups:
            _draw_front(drawing, across, up, found)
        drawing.text((_LEFT + 6, _TOP + 12), "accuracy, upwards", "quiet halo")
        _draw_tails(drawing, across, up, points)
        places = apart((across.at(ms), up.at(accuracy)) for _, ms, accuracy in points)
        for spot, (subject, ms, accuracy) in zip(places, points, strict=True):
            drawing.line((across.at(ms), up.at(accuracy)), spot, "leader")
            drawing.disc(spot, subject.number)
        if not drawing.is_narrow:
            _draw_names(drawing, places, points)
        return drawing

    return Figure(
        title,
        "Subjects as numbers, with the latency to the right and the accuracy upwards, and the "
        "Pareto front as a line through those that no other one beats at both.",
        f"Up and to the left is better. {' '.join(_told(each, found) for each, found in groups)} "
        f"Accuracy: {means}. Thin lines below the numbers: up to the p99.",
        twice(draw),
        key=tuple((subject.number, subject.name) for subject, _, _ in points),
        notes=notes,
    )


def _tail_ms(subject: NamedSubject) -> float:
    p99 = subject.total.p99
    return subject.total.p50.value if p99 is None else p99.value


def _draw_front(drawing: Drawing, across: Axis, up: Axis, points: Sequence[Measured]) -> None:
    """In steps: whoever takes less accuracy than a corner has is not faster either."""
    best = [points[place] for place in front([(ms, accuracy) for _, ms, accuracy in points])]
    spots: list[Spot] = []
    for _, ms, accuracy in best:
        if spots:
            spots.append((across.at(ms), spots[-1][1]))
        spots.append((across.at(ms), up.at(accuracy)))
    first, last = spots[0], spots[-1]
    drawing.polyline([(first[0], up.start + 16), *spots, (across.end, last[1])], "front")


def _draw_tails(drawing: Drawing, across: Axis, up: Axis, points: Sequence[Measured]) -> None:
    """Up to the p99 of each, below the numbers and one below the other."""
    drawn: list[float] = []
    for subject, ms, accuracy in points:
        if subject.total.p99 is None:
            continue
        y = up.at(accuracy) + 14
        while any(abs(y - other) < 5 for other in drawn):
            y += 5
        drawn.append(y)
        css = f"tail {series(subject.number)}"
        drawing.whisker(y, across.at(ms), across.at(_tail_ms(subject)), css, cap=2)


def _draw_names(drawing: Drawing, places: Sequence[Spot], points: Sequence[Measured]) -> None:
    """Above the numbers, as far as there is room; the key has all of them."""
    taken = list(places)
    for (x, y), (subject, _, _) in zip(places, points, strict=True):
        width = text_px(subject.name)
        left = min(x - 8, drawing.width - width)
        box = [(left + step, y - 18) for step in range(0, int(width) + 12, 12)]
        if not any(abs(a - c) < 14 and abs(b - d) < 14 for a, b in box for c, d in taken):
            drawing.text((left, y - 14), subject.name, "small halo")
            taken += box


def _told(result: NamedResult, points: Sequence[Measured]) -> str:
    best = [points[place] for place in front([(ms, accuracy) for _, ms, accuracy in points])]
    names = listed([f"{subject.name} ({number(ms)} ms, {a:.3f})" for subject, ms, a in best])
    where = f" of {result.title}" if result.letter else ""
    return f"On the Pareto front{where}: {names}."
