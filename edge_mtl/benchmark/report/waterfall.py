"""Where the time of a frame goes: its stages, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.benchmark.report.accuracy import accuracy_in_words
from edge_mtl.benchmark.report.axes import BOTTOM_PX, Axis, draw_bottom, from_zero
from edge_mtl.benchmark.report.naming import NamedSubject
from edge_mtl.benchmark.report.numbers import DASH, count, number
from edge_mtl.benchmark.report.svg import Drawing, Figure, heading_px, twice
from edge_mtl.benchmark.result import Latency

_LINE_PX, _BAR_PX, _GAP_PX = 20, 11, 14


def waterfall(title: str, subjects: Sequence[NamedSubject]) -> Figure:
    """A group of bars a subject. Needs one at least."""
    ends = [end for each in subjects for *_, end in _steps(each)]

    def draw(width: int) -> Drawing:
        heading = heading_px(width)
        rows = [heading + _LINE_PX * (len(_steps(each)) + 1) + _GAP_PX for each in subjects]
        drawing = Drawing(width, sum(rows) + BOTTOM_PX, f"Stages of a frame. {title}")
        left = 184 if drawing.is_narrow else 220
        axis = from_zero(ends, left, width - 8)
        draw_bottom(drawing, axis, heading, sum(rows), "ms from the start of a frame")
        top = 0.0
        for subject, row in zip(subjects, rows, strict=True):
            drawing.heading((0, top + 14), subject, accuracy_in_words(subject.subject.accuracy))
            _draw_stages(drawing, axis, subject, top + heading)
            top += row
        return drawing

    return Figure(
        title,
        "Bars of the stages of a frame, each beginning where the one before it ends, with their "
        "p50 and p99 beside them.",
        f"{_largest(subjects)} Bars: the p50 of a stage. Whiskers: up to its p99. The medians of "
        "the stages need not add up to the median of the whole.",
        twice(draw),
    )


def _steps(subject: NamedSubject) -> list[tuple[str, Latency, float, float]]:
    """Of every stage and of the total: its name, its latency, where it starts and where what is
    drawn of it ends, in ms."""
    stages = subject.subject.closed_loop.stages
    found = []
    start = 0.0
    for name, latency in stages.items():
        begin = 0.0 if name == "total" else start
        p99 = latency.p99 or latency.p50
        found.append((name, latency, begin, begin + max(p99.value, latency.p50.value)))
        start = begin + latency.p50.value
    return found


def _draw_stages(drawing: Drawing, axis: Axis, subject: NamedSubject, top: float) -> None:
    p50_at, p99_at = axis.start - 58, axis.start - 12
    drawing.text((p50_at, top + 12), "p50", "tick end")
    drawing.text((p99_at, top + 12), "p99", "tick end")
    for line, (name, latency, begin, end) in enumerate(_steps(subject), start=1):
        y = top + line * _LINE_PX
        whole = name == "total"
        drawing.text((0, y + 12), name, "strong" if whole else "", p50_at - 40)
        drawing.text((p50_at, y + 12), number(latency.p50.value), "strong end" if whole else "end")
        p99 = number(latency.p99.value) if latency.p99 else DASH
        drawing.text((p99_at, y + 12), p99, "strong end" if whole else "end")
        stop = begin + latency.p50.value
        width = axis.at(stop) - axis.at(begin)
        css = f"stage {name}" if name in _STAGES else "stage"
        drawing.rect((axis.at(begin), y + 3), width, _BAR_PX, css)
        if latency.p99 is not None:
            drawing.whisker(y + 3 + _BAR_PX / 2, axis.at(stop), axis.at(end), "bound")


_STAGES = ("preprocess", "engine", "head", "total")
"""Names that the style sheet has colours for."""


def _largest(subjects: Sequence[NamedSubject]) -> str:
    shares: dict[str, list[float]] = {}
    for subject in subjects:
        stages = subject.subject.closed_loop.stages
        parts = {name: each.p50.value for name, each in stages.items() if name != "total"}
        if parts:
            name = max(parts, key=lambda each: parts[each])
            shares.setdefault(name, []).append(parts[name] / subject.total.p50.value)
    told = []
    for name, found in shares.items():
        low, high = f"{min(found):.0%}", f"{max(found):.0%}"
        span = low if low == high else f"{low} to {high}"
        told.append(f"The largest stage of {count(len(found), 'subject')} is {name}: {span}.")
    return " ".join(told)
