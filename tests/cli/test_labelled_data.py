from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

from edge_mtl.cli.labelled_data import open_labelled  # noqa: E402
from edge_mtl.errors import UsageError  # noqa: E402

RECIPE = """
name = "two-folders"

[model]
name = "two-folders"
input = { width = 64, height = 64 }
backbone = "edgenet-n"

[[model.tasks]]
type = "detection"
name = "detection"
classes = ["car"]

[data.val]
data = "yolo:FIRST"
classes.boxes = { vehicle = "car" }

[[data.train]]
data = "yolo:SECOND"
classes.boxes = { lorry = "car" }
"""


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """Two YOLO folders of other class names."""
    for folder, name in (("first", "vehicle"), ("second", "lorry")):
        for part in ("images/val", "labels/val"):
            (tmp_path / folder / part).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / folder / "images/val/a.png"), np.zeros((8, 8, 3), np.uint8))
        (tmp_path / folder / "labels/val/a.txt").write_text("0 0.5 0.5 0.5 0.5")
        (tmp_path / folder / "classes.txt").write_text(name)
    return [str(tmp_path / "first"), str(tmp_path / "second")]


@pytest.fixture
def recipe(folders: list[str], tmp_path: Path) -> str:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("FIRST", folders[0]).replace("SECOND", folders[1]))
    return str(path)


def test_each_folder_of_a_recipe_has_its_own_class_map(folders: list[str], recipe: str) -> None:
    for folder in folders:
        assert open_labelled(f"yolo:{folder}", "val", None, recipe).vocabulary.boxes == ("car",)


def test_other_data_of_a_reader_gets_the_map_of_the_first(
    folders: list[str], recipe: str, tmp_path: Path
) -> None:
    Path(folders[0]).rename(tmp_path / "third")
    data = open_labelled(f"yolo:{tmp_path / 'third'}", "val", None, recipe)
    assert data.vocabulary.boxes == ("car",)


def test_without_a_recipe_classes_keep_their_names(folders: list[str]) -> None:
    assert open_labelled(f"yolo:{folders[1]}", "val", None, None).vocabulary.boxes == ("lorry",)


def test_a_recipe_without_the_reader_is_refused(recipe: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UsageError, match="says nothing of 'images' data, it has yolo:"):
        open_labelled(f"images:{tmp_path}", "val", None, recipe)
