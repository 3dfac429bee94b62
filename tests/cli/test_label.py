from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from edge_mtl.cli import app

cv2 = pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")
pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 255, (48, 80, 3), np.uint8))
    return folder


def label(teacher: Path, images: Path, output: Path, *options: str) -> Result:
    arguments = ["label", str(teacher), "--data", f"images:{images}", "-o", str(output)]
    engine = ["--engine", "onnxruntime", "--threads", "1"]
    return CliRunner().invoke(app, [*arguments, *engine, *options])


def test_pictures_become_a_data_set(tiny_bundle_path: Path, images: Path, tmp_path: Path) -> None:
    from edge_mtl.data.datasets import open_dataset

    figures = tmp_path / "labels.json"
    options = ("--min-confidence", "0.5", "--min-score", "0.9", "--json", str(figures))
    result = label(tiny_bundle_path, images, tmp_path / "labelled", *options)
    assert result.exit_code == 0, result.output
    assert "labels of 3 frames" in result.stdout
    dataset = open_dataset(f"rendered:{tmp_path / 'labelled'}", "train")
    assert set(dataset.vocabulary.masks) == {"classes", "drivable"}
    assert dataset.vocabulary.boxes == ("Car", "Pedestrian", "Bicyclist")
    found = [dataset[index] for index in range(3)]
    assert [sample.masks["classes"].shape for sample in found] == [(48, 80)] * 3
    assert found[0].name == str(images / "0.png")

    data = json.loads(figures.read_text())
    assert data["confidence"]["pixel"] == 0.5
    assert data["skipped"] == 0
    boxes = [sample.boxes for sample in found if sample.boxes is not None]
    assert sum(data["labels"]["boxes"].values()) == sum(len(each.class_ids) for each in boxes)
    assert data["labels"]["areas"] == sum(len(each.ignored) for each in boxes)
    share = np.mean([(sample.masks["drivable"] == 1).mean() for sample in found])
    assert data["labels"]["pixels"]["drivable"]["drivable"] == pytest.approx(share)
    # Of two classes one always has half.
    assert sum(data["labels"]["pixels"]["drivable"].values()) == pytest.approx(1.0)


def test_a_higher_threshold_labels_less(
    tiny_bundle_path: Path, images: Path, tmp_path: Path
) -> None:
    shares = []
    for threshold in ("0.5", "0.8"):
        figures = tmp_path / f"{threshold}.json"
        options = ("--min-confidence", threshold, "--json", str(figures))
        result = label(tiny_bundle_path, images, tmp_path / threshold, *options)
        assert result.exit_code == 0, result.output
        shares.append(sum(json.loads(figures.read_text())["labels"]["pixels"]["drivable"].values()))
    assert shares[0] == pytest.approx(1.0)
    assert shares[1] < 0.99


def test_an_unreadable_picture_is_named_and_counted(
    tiny_bundle_path: Path, images: Path, tmp_path: Path
) -> None:
    (images / "1.png").write_bytes(b"no picture")
    result = label(tiny_bundle_path, images, tmp_path / "labelled")
    assert result.exit_code == 0, result.output
    assert "1.png: expected a JPEG or PNG file" in result.stderr
    assert "1 unreadable frames" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rename", "Car"), "expected --rename OLD=NEW, found 'Car'"),
        (("--rename", "Cat=Dog"), "found 'Cat'; they have Car, Pedestrian, Bicyclist"),
        (("--doubtful-score", "0.7"), "found 0.7 above 0.5"),
        (("--scale", "2"), "a bundle runs at its own size"),
    ],
)
def test_wrong_options_are_one_line(
    tiny_bundle_path: Path, images: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = label(tiny_bundle_path, images, tmp_path / "labelled", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "labelled").exists()
