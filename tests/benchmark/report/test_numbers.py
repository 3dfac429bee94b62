from __future__ import annotations

import pytest

from edge_mtl.benchmark.report.numbers import DASH, count, listed, number, rough, size, with_span
from edge_mtl.benchmark.result import Interval


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.012345, "0.0123"),
        (0.7256, "0.726"),
        (7.2149, "7.21"),
        (26.449, "26.4"),
        (131.4, "131"),
        (1310.6, "1311"),
        (0.0, "0"),
        (float("inf"), "inf"),
    ],
)
def test_three_digits_are_told(value: float, told: str) -> None:
    assert number(value) == told


def test_an_interval_has_the_decimals_of_its_estimate() -> None:
    assert with_span(Interval(26.44, 26.04, 27.26)) == f"26.4 (26.0{DASH}27.3)"
    assert with_span(Interval(118.2, 85.4, 139.0)) == f"118 (85{DASH}139)"
    assert with_span(None) == "too few frames"


def test_what_is_estimated_has_two_digits() -> None:
    assert [rough(each) for each in (0.314, 2.14, 26.4, 131.0)] == ["0.31", "2.1", "26", "131"]


def test_sizes_and_counts_are_short() -> None:
    sizes = [size(each) for each in (0.5, 640, 2000, 12_000, 1_500_000)]
    assert sizes == ["0.5", "640", "2000", "12k", "1.5M"]
    assert (count(1, "frame"), count(2, "frame")) == ("1 frame", "2 frames")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (["a, x", "b, x", "c, x"], "a, x; b, x; and c, x"),
    ],
)
def test_names_are_listed(names: list[str], told: str) -> None:
    assert listed(names) == told
