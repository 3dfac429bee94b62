"""Frames a second with several streams and several frames at a time."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.benchmark.report.accuracy import accuracy_in_words
from edge_mtl.benchmark.report.axes import BOTTOM_PX, Axis, draw_bottom, from_zero
from edge_mtl.benchmark.report.naming import NamedSubject
from edge_mtl.benchmark.report.numbers import count, listed, number
from edge_mtl.benchmark.report.svg import Drawing, Figure, heading_px, series, twice

_LINE_PX, _BAR_PX, _GAP_PX = 22, 12, 14


def throughput(title: str, subjects: Sequence[NamedSubject]) -> Figure | str:
    """A group of bars a subject that has any; in words, why there is none."""
    shown = [each for each in subjects if each.subject.throughput]
    if not shown:
        return "Throughput with several streams or batches is not in this result."
    left_out = [each.name for each in subjects if not each.subject.throughput]
    ends = [found.frames_per_second.high for each in shown for found in each.subject.throughput]

    def draw(width: int) -> Drawing:
        heading = heading_px(width)
        rows = [heading + _LINE_PX * (len(each.subject.throughput) + 1) + _GAP_PX for each in shown]
        drawing = Drawing(width, sum(rows) + BOTTOM_PX, f"Throughput. {title}")
        axis = from_zero(ends, *((96, width - 112) if drawing.is_narrow else (120, width - 170)))
        draw_bottom(drawing, axis, heading, sum(rows), "frames a second")
        top = 0.0
        for subject, row in zip(shown, rows, strict=True):
            drawing.heading((0, top + 14), subject, accuracy_in_words(subject.subject.accuracy))
            _draw_bars(drawing, axis, subject, top + heading)
            top += row
        return drawing

    return Figure(
        title,
        "Bars of frames a second by the number of streams and of frames at a time.",
        f"{_best(shown)} Whiskers: 95 % intervals.",
        twice(draw),
        notes=(f"Not measured: {listed(left_out)}.",) if left_out else (),
    )


def _draw_bars(drawing: Drawing, axis: Axis, subject: NamedSubject, top: float) -> None:
    narrow = drawing.is_narrow
    columns = (0, 54) if narrow else (0, 62)
    rate_at = drawing.width - (56 if narrow else 90)
    for x, words in zip(columns, ("streams", "batch"), strict=True):
        drawing.text((x, top + 12), words, "tick")
    drawing.text((rate_at, top + 12), "frames/s", "tick end")
    drawing.text((drawing.width, top + 12), "p50 ms", "tick end")
    for line, found in enumerate(subject.subject.throughput, start=1):
        y = top + line * _LINE_PX
        rate = found.frames_per_second
        drawing.text((columns[0], y + 12), str(found.streams))
        drawing.text((columns[1], y + 12), str(found.batch))
        drawing.rect(
            (axis.start, y + 2),
            axis.at(rate.value) - axis.start,
            _BAR_PX,
            f"bar {series(subject.number)}",
        )
        drawing.whisker(y + 2 + _BAR_PX / 2, axis.at(rate.low), axis.at(rate.high), "bound")
        drawing.text((rate_at, y + 12), number(rate.value), "end")
        drawing.text((drawing.width, y + 12), number(found.p50_ms), "quiet end")


def _best(shown: Sequence[NamedSubject]) -> str:
    pairs = [(each, found) for each in shown for found in each.subject.throughput]
    subject, best = max(pairs, key=lambda pair: pair[1].frames_per_second.value)
    return (
        f"At most {number(best.frames_per_second.value)} frames a second: {subject.name}, with "
        f"{count(best.streams, 'stream')} of {count(best.batch, 'frame')} at a time, of which each "
        f"then takes {number(best.p50_ms)} ms (p50)."
    )
