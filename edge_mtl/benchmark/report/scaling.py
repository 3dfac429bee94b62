"""How a cost grows, on logarithmic axes, with the curve that was fitted to it."""

from __future__ import annotations

from edge_mtl.benchmark.report.axes import BOTTOM_PX, around, draw_bottom, draw_left
from edge_mtl.benchmark.report.numbers import size
from edge_mtl.benchmark.report.svg import Drawing, Figure, Spot
from edge_mtl.benchmark.result import Curve

_LEFT, _TOP, _HEIGHT = 48, 10, 210
_WIDTHS = 430, 330
_STEPS = 40


def scaling(curve: Curve) -> Figure:
    """A chart of one curve, half as wide as others. The curve has a point at least."""
    title = f"{curve.what}, by {curve.quantity}"
    wide, narrow = (_draw(curve, title, width).markup() for width in _WIDTHS)
    exponent = curve.exponent
    fixed = f" + {curve.fixed_ms:.3g} ms" if curve.fixed_ms else ""
    return Figure(
        title,
        f"Points of the cost of {curve.what} by {curve.quantity}, with the fitted curve.",
        f"Grows with the power {exponent.value:.2f} ({exponent.low:.2f} to {exponent.high:.2f}) of "
        f"{curve.quantity}{fixed}. {curve.wall}",
        (wide, narrow),
    )


def _draw(curve: Curve, title: str, width: int) -> Drawing:
    drawing = Drawing(width, _TOP + _HEIGHT + BOTTOM_PX, f"Scaling. {title}")
    base = _TOP + _HEIGHT
    bounds = [each for point in curve.points for each in (point.ms.low, point.ms.high)]
    sizes = [point.x for point in curve.points]
    across = around((*sizes, curve.baseline), _LEFT, width - 12, log=True)
    fitted = (
        [
            (x, curve.scale * x**curve.exponent.value + curve.fixed_ms)
            for x in (
                min(sizes) * (max(sizes) / min(sizes)) ** (step / _STEPS)
                for step in range(_STEPS + 1)
            )
        ]
        if min(sizes) > 0
        else []
    )
    up = around((*bounds, *(ms for _, ms in fitted)), base, _TOP, log=True)
    draw_left(drawing, up, _LEFT, width - 12, 5)
    draw_bottom(drawing, across, _TOP, base, f"{curve.quantity}; upwards ms", size)
    ships = across.at(curve.baseline)
    drawing.line((ships, _TOP), (ships, base), "deadline")
    end = "end " if ships > width / 2 else ""
    nudge = -6 if end else 6
    drawing.text((ships + nudge, _TOP + 12), "as it ships", f"small {end}halo")
    line: list[Spot] = [(across.at(x), up.at(ms)) for x, ms in fitted]
    drawing.polyline(line, "fitted")
    for point in curve.points:
        x = across.at(point.x)
        drawing.upright_whisker(x, up.at(point.ms.low), up.at(point.ms.high), "bound")
        drawing.circle((x, up.at(point.ms.value)), 4, "point")
    return drawing
