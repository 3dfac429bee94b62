"""How costs grow, on logarithmic axes, with the curves that were fitted to them."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.benchmark.report.axes import BOTTOM_PX, Axis, around, draw_bottom, draw_left
from edge_mtl.benchmark.report.numbers import listed
from edge_mtl.benchmark.report.svg import Drawing, Figure, Spot, apart, series
from edge_mtl.benchmark.result import Curve

_LEFT, _RIGHT, _TOP, _HEIGHT = 48, 30, 24, 200
_WIDTHS = 430, 330
_STEPS = 40


def walls(curves: Sequence[Curve]) -> list[tuple[Curve, ...]]:
    """The curves that lead to the same wall, such as those of the stages over one quantity."""
    found: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        found.setdefault((curve.quantity, curve.wall), []).append(curve)
    return [tuple(each) for each in found.values()]


def exponents(curves: Sequence[Curve]) -> str:
    """Of each curve, how sure it is too: "engine 1.03 (1.01 to 1.06)"."""
    told = []
    for curve in curves:
        found = curve.exponent
        value, low, high = (
            f"{round(each, 2) + 0.0:.2f}" for each in (found.value, found.low, found.high)
        )
        fixed = f" and {curve.fixed_ms:.3g} ms" if curve.fixed_ms else ""
        told.append(f"{curve.what} {value} ({low} to {high}){fixed}")
    return listed(told)


def scaling(curves: Sequence[Curve]) -> Figure:
    """A chart of the curves of a wall, half as wide as others. Each has a point at least."""
    quantity, wall = curves[0].quantity, curves[0].wall
    wide, narrow = (_draw(curves, width).markup() for width in _WIDTHS)
    return Figure(
        f"Cost by {quantity}",
        f"Lines of what each part costs by {quantity}, with the points that were measured.",
        f"{wall} Exponents: {exponents(curves)}.",
        (wide, narrow),
        key=tuple(enumerate((curve.what for curve in curves), start=1)),
    )


def _draw(curves: Sequence[Curve], width: int) -> Drawing:
    quantity = curves[0].quantity
    drawing = Drawing(width, _TOP + _HEIGHT + BOTTOM_PX, f"Scaling. Cost by {quantity}")
    base, right = _TOP + _HEIGHT, width - _RIGHT
    sizes = [point.x for curve in curves for point in curve.points]
    costs = [ms for curve in curves for p in curve.points for ms in (p.ms.low, p.ms.high)]
    across = around((*sizes, curves[0].baseline), _LEFT, right, log=True)
    up = around(costs, base, _TOP, log=True)
    draw_left(drawing, up, _LEFT, right, 5)
    draw_bottom(drawing, across, _TOP, base, f"{quantity}; upwards ms")
    ships = across.at(curves[0].baseline)
    drawing.line((ships, _TOP), (ships, base), "deadline")
    drawing.text(
        (ships + 4, _TOP - 8), "as it ships", "small end" if ships > width / 2 else "small"
    )
    lines = [_fitted(curve, across, up) for curve in curves]
    for number, (curve, line) in enumerate(zip(curves, lines, strict=True), start=1):
        drawing.polyline(line, f"series {series(number)}")
        for point in curve.points:
            x = across.at(point.x)
            low, high = up.at(point.ms.low), up.at(point.ms.high)
            drawing.upright_whisker(x, low, high, f"bound {series(number)}", cap=3)
            drawing.circle((x, up.at(point.ms.value)), 3.5, f"point {series(number)}")
    ends = sorted(
        ((line[-1][1], number) for number, line in enumerate(lines, start=1)), reverse=True
    )
    spots = apart((right + 16, y) for y, _ in ends)
    for spot, (_, number) in zip(spots, ends, strict=True):
        drawing.disc(spot, number)
    return drawing


def _fitted(curve: Curve, across: Axis, up: Axis) -> list[Spot]:
    """The fitted curve from the first point to the last."""
    low, high = min(point.x for point in curve.points), max(point.x for point in curve.points)
    steps = [low * (high / low) ** (step / _STEPS) for step in range(_STEPS + 1)] if low else [high]
    return [
        (across.at(x), up.at(curve.scale * x**curve.exponent.value + curve.fixed_ms)) for x in steps
    ]
