"""How the latencies of a closed loop are spread: a histogram a subject, with its percentiles."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.benchmark.report.accuracy import accuracy_in_words
from edge_mtl.benchmark.report.axes import BOTTOM_PX, Axis, around, draw_bottom
from edge_mtl.benchmark.report.naming import NamedSubject
from edge_mtl.benchmark.report.numbers import number
from edge_mtl.benchmark.report.svg import Drawing, Figure, heading_px, series, text_px, twice

_HILL_PX, _MARKS_PX = 56, 28


def distribution(title: str, subjects: Sequence[NamedSubject]) -> Figure:
    """All subjects above one axis. Needs one at least."""
    values = [ms for each in subjects for ms in each.subject.closed_loop.totals_ms]

    def draw(width: int) -> Drawing:
        axis = around(values, 8, width - 8)
        heading = heading_px(width)
        row = heading + _HILL_PX + _MARKS_PX
        bottom = row * len(subjects)
        drawing = Drawing(width, bottom + BOTTOM_PX, f"Histograms of latencies. {title}")
        draw_bottom(drawing, axis, 0, bottom, "ms a frame, from end to end")
        for index, subject in enumerate(subjects):
            top = index * row
            if index:
                drawing.line((0, top - 4), (width, top - 4), "grid")
            drawing.heading((0, top + 14), subject, accuracy_in_words(subject.subject.accuracy))
            base = top + heading + _HILL_PX
            _draw_hill(drawing, axis, subject, base)
            _draw_marks(drawing, axis, subject, base)
        return drawing

    return Figure(
        title,
        "Histograms of the latencies of every frame, one above the other. The table of subjects "
        "has their percentiles.",
        f"{_worst_tail(subjects)} A bar is as high as there are frames that took so long, and a "
        "single frame is seen too. Marks: p50, p90, p99, p99.9 and the slowest frame (x).",
        twice(draw),
    )


def _draw_hill(drawing: Drawing, axis: Axis, subject: NamedSubject, base: float) -> None:
    values = subject.subject.closed_loop.totals_ms
    bar_px = min(16, max(4, round(100 / len(values) ** 0.5)))  # few frames make a comb of thin bars
    counts = [0] * (int((axis.end - axis.start) / bar_px) + 1)
    for ms in values:
        counts[int((axis.at(ms) - axis.start) / bar_px)] += 1
    most = max(counts)
    bars = [
        (axis.start + place * bar_px, base - height, bar_px - 0.5, height)
        for place, amount in enumerate(counts)
        if amount
        for height in [max(1.5, amount / most * _HILL_PX)]
    ]
    drawing.bars(bars, f"hill {series(subject.number)}")
    drawing.line((axis.start, base), (axis.end, base), "rule")


def _draw_marks(drawing: Drawing, axis: Axis, subject: NamedSubject, base: float) -> None:
    total = subject.total
    drawing.crosses([(axis.at(total.max_ms), base - 5)], f"cross {series(subject.number)}")
    told_until = 0.0
    marks = {"p50": total.p50, "p90": total.p90, "p99": total.p99, "p99.9": total.p999}
    for name, found in marks.items():
        if found is None:
            continue
        x = axis.at(found.value)
        drawing.line((x, base), (x, base + 7), "mark")
        words = f"{name} {number(found.value)}"
        width = text_px(words)
        # What is near the mark before it begins at its own, the p50 ends there.
        left = (
            x - width + 6 if name == "p50" else x - 6 if x - width < told_until else x - width / 2
        )
        left = min(max(left, 0), drawing.width - width)
        if left >= told_until:
            drawing.text((left, base + 20), words, "small")
            told_until = left + width


def _worst_tail(subjects: Sequence[NamedSubject]) -> str:
    worst = max(subjects, key=lambda each: each.total.max_ms / each.total.p50.value)
    total = worst.total
    return (
        f"The longest tail is that of {worst.name}: half of its frames took "
        f"{number(total.p50.value)} ms at most, the slowest of {total.count} took "
        f"{number(total.max_ms)} ms, {total.max_ms / total.p50.value:.1f} times as long."
    )
