from __future__ import annotations

import re

import msgspec

from edge_mtl.benchmark.report.scaling import exponents, scaling, walls
from edge_mtl.benchmark.result import BenchResult, Curve, Interval, Point


def test_curves_that_lead_to_the_same_wall_share_a_chart(made_up: BenchResult) -> None:
    engine, head, preprocess = made_up.curves
    joined = msgspec.structs.replace(preprocess, wall=head.wall)
    assert walls([engine, head, joined]) == [(engine,), (head, joined)]
    figure = scaling((head, joined))
    assert figure.title == "Cost by pixels of the frame"
    assert figure.key == ((1, "head"), (2, "preprocess"))
    assert figure.caption == (
        f"{head.wall} Exponents: head 0.81 (0.78 to 0.84) and preprocess 0.97 (0.94 to 1.00)."
    )
    for drawing in figure.drawings:
        assert len(re.findall("<polyline", drawing)) == 2
        assert len(re.findall('class="point', drawing)) == 12


def test_a_fixed_cost_is_told(made_up: BenchResult) -> None:
    fixed = msgspec.structs.replace(made_up.curves[0], fixed_ms=1.25)
    assert exponents([fixed]) == "engine 1.04 (1.01 to 1.07) and 1.25 ms"
    flat = msgspec.structs.replace(made_up.curves[0], exponent=Interval(-0.001, -0.06, 0.06))
    assert exponents([flat]) == "engine 0.00 (-0.06 to 0.06)"


def test_a_curve_of_one_size_and_one_from_nought_are_drawn() -> None:
    nought = Curve(
        what="head",
        quantity="boxes",
        points=(Point(0.0, Interval(1.0, 1.0, 1.0)), Point(8.0, Interval(2.0, 1.9, 2.1))),
        baseline=8.0,
        exponent=Interval(1.0, 0.9, 1.1),
        scale=0.125,
        fixed_ms=1.0,
        wall="None.",
    )
    single = msgspec.structs.replace(nought, points=nought.points[1:])
    for curve in (nought, single):
        assert all("nan" not in drawing for drawing in scaling((curve,)).drawings)
