"""The tail of the latencies: which share of the frames took at least so long."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.benchmark.report.axes import BOTTOM_PX, Axis, around, draw_bottom
from edge_mtl.benchmark.report.naming import NamedSubject
from edge_mtl.benchmark.report.numbers import number
from edge_mtl.benchmark.report.svg import Drawing, Figure, Spot, apart, series, twice

_LEFT, _TOP, _HEIGHT = 46, 12, 250
_LEVELS = {"p50": 0.5, "p90": 0.1, "p95": 0.05, "p99": 0.01, "p99.9": 0.001, "p99.99": 0.0001}


def tail(title: str, subjects: Sequence[NamedSubject]) -> Figure:
    """A line a subject. Needs one at least."""
    counts = [len(each.subject.closed_loop.totals_ms) for each in subjects]
    values = [ms for each in subjects for ms in each.subject.closed_loop.totals_ms]

    def draw(width: int) -> Drawing:
        drawing = Drawing(width, _TOP + _HEIGHT + BOTTOM_PX, f"Tails of latencies. {title}")
        across = around(values, _LEFT, width - 14)
        least = 0.6 / max(counts)
        down = Axis(least, 1.0, _TOP + _HEIGHT, _TOP, log=True)
        draw_bottom(drawing, across, _TOP, _TOP + _HEIGHT, "ms a frame, from end to end")
        for name, share in _LEVELS.items():
            if share * max(counts) >= 1:
                y = down.at(share)
                drawing.line((_LEFT, y), (width - 14, y), "grid")
                drawing.text((_LEFT - 6, y + 4), name, "tick end")
        for subject in subjects:
            _draw_line(drawing, across, down, subject)
            _draw_bounds(drawing, across, down, subject)
        ends = [(across.at(each.total.max_ms), down.at(1 / each.total.count)) for each in subjects]
        for subject, spot in zip(subjects, apart(ends), strict=True):
            drawing.disc(spot, subject.number)
        return drawing

    reached = max(subjects, key=lambda each: each.total.count)
    return Figure(
        title,
        "Lines of the share of frames that took at least so long, on a logarithmic scale. The "
        "table of subjects has the percentiles.",
        f"Further left is faster, steeper is steadier. {_steadiest(subjects)} The scale from top "
        f"to bottom is logarithmic: the last dot of a line is one frame of {reached.total.count}. "
        "Whiskers: the 95 % intervals of the percentiles.",
        twice(draw),
        key=tuple((each.number, each.name) for each in subjects),
    )


def _draw_line(drawing: Drawing, across: Axis, down: Axis, subject: NamedSubject) -> None:
    values = sorted(subject.subject.closed_loop.totals_ms)
    css = series(subject.number)
    spots: list[Spot] = []
    for place, ms in enumerate(values):
        spot = across.at(ms), down.at(1 - place / len(values))
        last = place == len(values) - 1
        if not spots or last or abs(spot[0] - spots[-1][0]) + abs(spot[1] - spots[-1][1]) > 2:
            spots.append(spot)
    drawing.polyline(spots, f"series {css}")


def _draw_bounds(drawing: Drawing, across: Axis, down: Axis, subject: NamedSubject) -> None:
    """The intervals of percentiles, a little apart from those of other subjects."""
    css, aside = f"bound {series(subject.number)}", 3 * ((subject.number - 1) % 4) - 4.5
    total = subject.total
    for share, found in ((0.5, total.p50), (0.1, total.p90), (0.01, total.p99)):
        if found is not None:
            low, high = across.at(found.low), across.at(found.high)
            drawing.whisker(down.at(share) + aside, low, high, css, cap=3)


def _steadiest(subjects: Sequence[NamedSubject]) -> str:
    tails = [
        (each.total.p99.value / each.total.p50.value, each)
        for each in subjects
        if each.total.p99 is not None
    ]
    if not tails:
        return "No subject has the 100 frames that a p99 needs."
    ratio, best = min(tails, key=lambda each: each[0])
    return f"The steadiest is {best.name}: its p99 is {number(ratio)} times its p50."
