"""How many times as fast one subject is as another, with what is sure of that."""

from __future__ import annotations

from collections.abc import Sequence

from edge_mtl.benchmark.report.axes import BOTTOM_PX, Axis, around, draw_bottom
from edge_mtl.benchmark.report.svg import NARROW, Drawing, Figure, twice
from edge_mtl.benchmark.result import Comparison, Verdict
from edge_mtl.benchmark.statistics import SAME

VERDICTS: dict[Verdict, str] = {
    "faster": "faster",
    "slower": "slower",
    "same": "as fast",
    "unclear": "not sure",
}
"""What a verdict is in the fewest words."""


def engines(title: str, comparisons: Sequence[Comparison]) -> Figure | str:
    """A row a comparison around the line of 1; in words, why there is none."""
    if not comparisons:
        return "Nothing was compared: a comparison takes two subjects that ran in turn."
    bounds = [1.0, *(each for found in comparisons for each in (found.ratio.low, found.ratio.high))]

    def draw(width: int) -> Drawing:
        narrow = width <= NARROW
        row = 70 if narrow else 52
        bottom = 8 + row * len(comparisons)
        drawing = Drawing(width, bottom + BOTTOM_PX, f"Ratios of latencies. {title}")
        axis = around(bounds, *((14, width - 14) if narrow else (330, width - 190)), log=True)
        same = axis.at(1 - SAME), axis.at(1 + SAME)
        drawing.rect((same[0], 4), same[1] - same[0], bottom - 4, "same")
        draw_bottom(
            drawing, axis, 4, bottom, "times as fast as the baseline", lambda each: f"{each:.3g}"
        )
        drawing.line((axis.at(1), 4), (axis.at(1), bottom), "one")
        for index, comparison in enumerate(comparisons):
            _draw_row(drawing, axis, comparison, 8 + index * row)
        return drawing

    return Figure(
        title,
        "Ratios of the speed of two subjects as marks with intervals around a line at 1. The "
        "sentences above say the same.",
        "Right of the line is faster than the baseline, left of it slower. A filled mark is a "
        "difference that is real, a ring one that this run cannot tell, a diamond one that is "
        f"nought. The whiskers are 95 % intervals; the band is within {SAME:.0%} of 1.",
        twice(draw),
    )


def _draw_row(drawing: Drawing, axis: Axis, comparison: Comparison, top: float) -> None:
    ratio = comparison.ratio
    told = f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    verdict = VERDICTS[comparison.verdict]
    baseline = f"against {comparison.baseline}"
    if drawing.is_narrow:
        drawing.text((0, top + 14), comparison.subject, "name halo", drawing.width)
        drawing.text((0, top + 31), baseline, "quiet halo", drawing.width)
        drawing.text((drawing.width, top + 62), f"{told}, {verdict}", "small end halo")
        y = top + 43
    else:
        drawing.text((0, top + 20), comparison.subject, "name", axis.start - 20)
        drawing.text((0, top + 37), baseline, "quiet", axis.start - 20)
        drawing.text((drawing.width, top + 20), told, "end")
        drawing.text((drawing.width, top + 37), verdict, "quiet end")
        y = top + 25
    drawing.whisker(y, axis.at(ratio.low), axis.at(ratio.high), f"bound {comparison.verdict}")
    spot = axis.at(ratio.value), y
    if comparison.verdict == "same":
        drawing.diamond(spot, 6, "verdict same-mark")
    else:
        drawing.circle(spot, 5.5, f"verdict {comparison.verdict}")
