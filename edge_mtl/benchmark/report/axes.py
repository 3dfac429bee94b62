"""Axes: which pixel a value stands at, and where the ticks are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge_mtl.benchmark.report.numbers import size
from edge_mtl.benchmark.report.svg import Drawing

_MULTIPLES = (
    (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0),
    (1.0, 2.0, 3.0, 5.0),
    (1.0, 2.0, 5.0),
    (1.0, 3.0),
    (1.0,),
)
_FEW = 3  # ticks of a logarithmic axis; with fewer it is read by even steps
_SPAN_FOR_LOG = 6.0  # values further apart leave nothing to see of the small ones on even steps


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high` at the pixels from `start` to `end`, logarithmic or even."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def at(self, value: float) -> float:
        """The pixel of a value; what lies beyond an end stands at that end."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """At most so many round values, of which there are two at least where they fit."""
        if self.log:
            found = _log_ticks(self.low, self.high, most)
            if len(found) >= min(_FEW, most):
                return found
        return _even_ticks(self.low, self.high, most)


def from_zero(values: Iterable[float], start: float, end: float) -> Axis:
    """An even axis from 0 to a little above the largest value."""
    high = max(values, default=0.0)
    return Axis(0.0, high * 1.04 if high > 0 else 1.0, start, end, log=False)


def around(
    values: Iterable[float], start: float, end: float, log: bool | None = None, least: float = 0.0
) -> Axis:
    """An axis around values; a logarithmic one where they are far apart, or as `log` says.

    least: how much an even axis covers at least, so that what is small is not made to look large.
    """
    known = [each for each in values if math.isfinite(each)] or [1.0]
    low, high = min(known), max(known)
    if low <= 0:
        log = False
    elif log is None:
        log = high / low > _SPAN_FOR_LOG
    if log:
        margin = max((high / low) ** 0.04, 1.02)
        return Axis(low / margin, high * margin, start, end, log=True)
    margin = max(0.05 * (high - low), (least - (high - low)) / 2, 0.01 * abs(high), 1e-9)
    return Axis(low - margin, high + margin, start, end, log=False)


def draw_bottom(
    drawing: Drawing,
    axis: Axis,
    top: float,
    bottom: float,
    title: str,
    told: Callable[[float], str] = size,
) -> None:
    """Ticks with their values below `bottom`, lines up to `top`, and the title below: 38 px."""
    for tick in axis.ticks(9 if drawing.width > 600 else 5):
        x = axis.at(tick)
        drawing.line((x, top), (x, bottom), "grid")
        drawing.text((x, bottom + 16), told(tick), "tick middle")
    drawing.line((axis.start, bottom), (axis.end, bottom), "rule")
    drawing.text((axis.end, bottom + 34), title, "quiet end")


def draw_left(
    drawing: Drawing,
    axis: Axis,
    left: float,
    right: float,
    most: int = 4,
    told: Callable[[float], str] = size,
) -> None:
    """Ticks with their values left of `left` and lines to `right`."""
    for tick in axis.ticks(most):
        y = axis.at(tick)
        drawing.line((left, y), (right, y), "grid")
        drawing.text((left - 6, y + 4), told(tick), "tick end")


BOTTOM_PX = 40
"""What an axis at the bottom takes below its line."""


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for multiples in _MULTIPLES:
        ticks = [each * 10.0**decade for decade in decades for each in multiples]
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) <= most:
            return found
    every = math.ceil(len(decades) / most)
    return [10.0**decade for decade in decades[::every] if low <= 10.0**decade <= high]


def _even_ticks(low: float, high: float, most: int) -> list[float]:
    unit = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (unit * each for each in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [index * step for index in range(first, last + 1)]
