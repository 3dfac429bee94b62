from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.evaluation.plots.bars import plot_bars

Places = Callable[..., NDArray[np.int64]]


def test_the_bars_are_as_long_as_their_values(tmp_path: Path, places: Places) -> None:
    path = tmp_path / "bars.png"
    values = {"one": 0.9, "two": 0.3, "three": 0.0}
    plot_bars(path, values, ["#ff0000", "#00aa00", "#0000ff"], ("mean", 0.95), "heading", "subject")
    one, two, three = (places(path, each) for each in ("#ff0000", "#00aa00", "#0000ff"))
    assert np.ptp(one[:, 1]) == pytest.approx(3 * np.ptp(two[:, 1]), rel=0.03)
    assert one[:, 0].max() < two[:, 0].min()  # in their order, top to bottom
    assert len(three) == 0
