"""What devices that were not at hand should do: ranges, drawn unlike anything measured."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.benchmark.report.axes import BOTTOM_PX, around, draw_bottom
from edge_mtl.benchmark.report.numbers import rough
from edge_mtl.benchmark.report.svg import Drawing, Figure, twice
from edge_mtl.benchmark.result import Estimate

_ROW_PX = 50


def estimates(title: str, found: Sequence[Estimate]) -> Figure:
    """A range an estimate. Needs one at least."""
    bounds = [ms for each in found for ms in (each.low_ms, each.high_ms)]

    def draw(width: int) -> Drawing:
        bottom = _ROW_PX * len(found) + 4
        drawing = Drawing(width, bottom + BOTTOM_PX, f"Estimates, not measured. {title}")
        narrow = drawing.is_narrow
        axis = around(bounds, 8 if narrow else 330, width - 8)
        draw_bottom(drawing, axis, 4, bottom, "ms a frame, estimated, not measured")
        for index, each in enumerate(found):
            top = index * _ROW_PX
            told = f"{rough(each.low_ms)} to {rough(each.high_ms)} ms"
            start, end = axis.at(each.low_ms), axis.at(each.high_ms)
            y = top + (28 if narrow else 14)
            drawing.rect((start, y), end - start, 13, "guess")
            if narrow:
                drawing.text((0, top + 18), each.device, "name halo", width - 130)
                drawing.text((width, top + 18), told, "small end halo")
            else:
                drawing.text((0, top + 18), each.device, "name", axis.start - 20)
                what = f"{each.model}, {each.engine}"
                drawing.text((0, top + 35), what, "quiet", axis.start - 20)
                middle = min(max((start + end) / 2, axis.start + 60), axis.end - 60)
                drawing.text((middle, y + 28), told, "small middle halo")
        return drawing

    return Figure(
        title,
        "Ranges of estimated latencies by device, with dashed outlines. The list below has the "
        "arithmetic of each.",
        "Estimates from measurements of other machines and published figures of these devices. "
        "None of them was measured; below are the arithmetic, its sources and the command that "
        "puts a measurement in its place.",
        twice(draw),
    )
