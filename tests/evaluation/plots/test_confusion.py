from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.evaluation.plots.confusion import plot_confusion

Places = Callable[..., NDArray[np.int64]]
WHOLE = "#08306b"  # the end of the colour map


def test_the_cells_are_shares_of_what_is_labelled(tmp_path: Path, places: Places) -> None:
    classes = ("road", "sky", "car")
    path = tmp_path / "right.png"
    plot_confusion(path, np.diag([90, 5, 0]), classes, "heading", "subject")
    right = places(path, WHOLE)
    plot_confusion(path, np.array([[0, 90, 0], [0, 5, 0], [0, 0, 0]]), classes, "", "")
    one_column = places(path, WHOLE)
    # Two whole cells each (the end of the colour bar aside), whatever the counts.
    assert len(right) == pytest.approx(len(one_column), rel=0.05)
    assert 2 * 40**2 < len(right) < 2 * 60**2 + 600
    # On the diagonal they are spread over two columns, wrong ones lie in one.
    assert np.std(right[:, 1]) > np.std(one_column[:, 1]) + 5


def test_many_classes_have_no_numbers_and_stay_on_the_picture(
    tmp_path: Path, places: Places
) -> None:
    path = tmp_path / "many.png"
    plot_confusion(path, np.eye(40, dtype=np.int64), [f"class {i}" for i in range(40)], "", "")
    assert 40 * 8**2 < len(places(path, WHOLE)) < 40 * 16**2
