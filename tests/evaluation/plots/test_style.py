from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.evaluation.plots.style import colours_of, picture


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with (
        pytest.raises(EdgeMtlError, match="choose another folder for the plots"),
        picture(tmp_path / "none" / "a.png", (200, 100), "heading", "subject"),
    ):
        pass


def test_a_users_own_settings_stay(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    with picture(tmp_path / "a.png", (200, 100), "heading", "subject") as figure:
        assert figure.get_size_inches().tolist() == [2.0, 1.0]
    assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_classes_have_the_colours_of_the_video() -> None:
    assert colours_of(("Car", "background", "car")) == ["#5096ff", "#9aa5b1", "#5096ff"]
