from __future__ import annotations

import math

import numpy as np
import pytest
from curves.cameras import wall as cameras_wall
from curves.curve import curves_of, rounded, told
from curves.fit import Fit, fit
from curves.threads import wall as threads_wall

from edge_mtl.benchmark.result import Interval


def line(scale: float, *sizes: float) -> Fit:
    """20 rounds without noise."""
    return fit(sizes, np.tile(scale * np.array(sizes), (20, 1)))


@pytest.mark.parametrize(
    ("size", "text"), [(1224.0, "1,220"), (0.98765, "0.988"), (27_300_000.0, "27,300,000")]
)
def test_sizes_are_told_with_three_digits(size: float, text: str) -> None:
    assert rounded(size) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (Interval(2, 1.5, 2.5), "2 (1.5 to 2.5)"),
        (Interval(20, 15, 25), "20 (15 to 25; beyond what was measured)"),
        (Interval(2, 1.5, math.inf), "2 (or never)"),
    ],
)
def test_a_wall_says_how_sure_it_is(size: Interval, text: str) -> None:
    assert told(size, line(1, 1, 2, 4)) == text


@pytest.mark.parametrize(
    ("frame_ms", "text"),
    [
        (10.0, "up to 3 cameras get every frame through: the limit is at 3.3"),
        (20.0, "one camera alone gets every frame through: the limit is at 1.7"),
        (40.0, "Not even one camera gets 30 frames a second: the limit is at 0.8"),
        (0.01, "less than 33.3 ms, however many"),
    ],
)
def test_how_many_cameras_can_be_had(frame_ms: float, text: str) -> None:
    assert text in cameras_wall(line(frame_ms, 1, 2, 3, 4, 6, 8))


def test_a_further_thread_is_worth_less_and_less() -> None:
    counts = np.array([1.0, 2, 4, 8])
    in_all = fit(counts, np.tile(80 / counts + 20, (20, 1)))
    # 80 / n + 20: 100, 60, 46.7, 40 and 36 ms; from 5 to 6 it is 36 to 33.3, 8 %.
    told = threads_wall(in_all, 8)
    assert "With 8 threads a frame takes 30.0 ms instead of 100.0 with one" in told
    assert "thread number 6 is the first that gains less than 10%" in told
    assert "beyond" not in told


def test_every_part_becomes_a_curve() -> None:
    [curve] = curves_of("cameras", {"engine": line(2.0, 1, 2, 4)}, 1, "A wall.", ", openvino")
    assert (curve.what, curve.quantity, curve.baseline) == ("engine, openvino", "cameras", 1)
    assert curve.exponent.value == pytest.approx(1)
    assert curve.scale == pytest.approx(2)
    assert [point.ms.value for point in curve.points] == [2, 4, 8]
