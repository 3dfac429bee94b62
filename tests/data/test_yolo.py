import builtins
import os
from pathlib import Path

import numpy as np
import pytest

from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.yolo import Yolo
from edge_mtl.errors import EdgeMtlError
from edge_mtl.tasks import KEYPOINTS

REAL = Path(
    os.environ.get("EDGE_MTL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
# x 16..48, y 12..24 of 64x48
BOX = "1 0.5 0.375 0.5 0.25"


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def root(tmp_path, save_image):
    """Two images of which one has labels, in the layout of Ultralytics without its YAML."""
    for stem, grey in (("b", 150), ("a", 100)):
        save_image(tmp_path / "images" / "train" / f"{stem}.jpg", grey=grey)
    write(tmp_path / "classes.txt", "person", "car", "traffic light", "")
    write(tmp_path / "labels" / "train" / "a.txt", BOX, "0 0 0 0.25 0.25", "")
    return tmp_path


def test_boxes_in_pixels(root):
    data = open_dataset(f"yolo:{root}", "train")
    assert data.vocabulary.boxes == ("person", "car", "traffic light")
    assert [int(sample.image.mean()) for sample in data] == [100, 150]
    boxes = data[0].boxes
    assert boxes.class_ids.tolist() == [1, 0]
    assert boxes.corners.tolist() == [[16, 12, 48, 24], [0, 0, 8, 6]]  # the second cut
    assert boxes.keypoints is None
    assert data[0].masks == {}


def test_an_image_without_a_file_of_labels_holds_nothing(root):
    assert Yolo(root, "train")[1].boxes.corners.shape == (0, 4)


def test_an_outline_gives_its_bounds(root):
    write(root / "labels" / "train" / "a.txt", "2 0.25 0.5 0.5 0.25 0.75 0.75")
    boxes = Yolo(root, "train")[0].boxes
    assert boxes.corners.tolist() == [[16, 12, 48, 36]]


@pytest.mark.parametrize(
    ("images", "labels", "split"),
    [
        ("val/images", "val/labels", "val"),
        ("valid/images", "valid/labels", "val"),
        ("images/valid", "labels/valid", "val"),
        ("test/images", "test/labels", "test"),
    ],
)
def test_layouts_without_a_description(tmp_path, save_image, images, labels, split):
    save_image(tmp_path / images / "x.jpg")
    write(tmp_path / labels / "x.txt", BOX)
    write(tmp_path / "obj.names", "a", "b")
    data = Yolo(tmp_path, split)
    assert data[0].boxes.class_ids.tolist() == [1]
    assert data.vocabulary.boxes == ("a", "b")


@pytest.mark.parametrize(
    "yaml",
    [
        "names: {0: person, 1: car}\ntrain: images/train\n",
        "names: [person, car]\nnc: 2\ntrain: ../images/train\nroboflow: {version: 1}\n",
        "names:\n  1: car\n  0: person\npath: {parent}\ntrain: [images/train]\nval:\n",
        "names: [person, car]\npath: elsewhere\ntrain: list.txt\n",
    ],
)
def test_descriptions_in_yaml(root, yaml):
    write(root / "data.yaml", yaml.replace("{parent}", root.name))
    write(root / "list.txt", "images/train/a.jpg", "images/train/b.jpg")
    data = Yolo(root, "train")
    assert data.vocabulary.boxes == ("person", "car")
    assert len(data) == 2
    assert data[0].boxes.class_ids.tolist() == [1, 0]


def test_yaml_without_a_reader_names_what_to_install(root, monkeypatch):
    real = builtins.__import__

    def without_yaml(name, *args, **kwargs):
        if name == "yaml":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    write(root / "data.yaml", "names: [person, car]")
    monkeypatch.setattr(builtins, "__import__", without_yaml)
    with pytest.raises(EdgeMtlError, match=r"data\.yaml: .*pip install pyyaml"):
        Yolo(root, "train")


@pytest.mark.parametrize("per_point", [2, 3])
def test_keypoints_of_people(root, per_point):
    points = np.zeros((len(KEYPOINTS), per_point))
    points[0, :2] = 0.5, 0.25
    points[3, :2] = 1.5, 0.25  # outside the image
    if per_point == 3:
        points[[0, 3], 2] = 1, 2
    line = " ".join(map(str, [0, 0.5, 0.5, 1, 1, *points.ravel()]))
    write(root / "labels" / "train" / "a.txt", line)
    write(root / "data.yaml", "names: [person]", f"kpt_shape: [17, {per_point}]")
    data = Yolo(root, "train")
    keypoints = data[0].boxes.keypoints
    assert keypoints.shape == (1, 17, 3)
    assert keypoints[0, 0].tolist() == [32, 12, 4 - per_point]
    assert not keypoints[0, 1:].any()
    assert data[1].boxes.keypoints.shape == (0, 17, 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 0.5 0.5 0.1 0.1", "a class of 0 to 2, found 3"),
        ("-1 0.5 0.5 0.1 0.1", "a class of 0 to 2, found -1"),
        ("0.5 0.5 0.5 0.1 0.1", r"a class of 0 to 2, found 0\.5"),
        ("inf 0.5 0.5 0.1 0.1", "a class of 0 to 2, found inf"),
        ("0 320 240 50 50", "shares of the image between 0 and 1, found 0 320 240"),
        ("0 nan 0.5 0.1 0.1", "shares of the image"),
        ("0 0.5 0.5 0.1", "expected 5 numbers, found 4"),
        ("0 0.5 0.5 0.1 0.1 0.9", "expected 5 numbers, found 6"),
        ("car 0.5 0.5 0.1 0.1", "'car'"),
        ("0 0.5 0.5 0.1 O.1", "'O.1'"),
    ],
)
def test_damaged_labels_are_named_by_file_and_line(root, line, message):
    write(root / "labels" / "train" / "a.txt", BOX, line)
    data = Yolo(root, "train")
    with pytest.raises(EdgeMtlError, match=rf"a\.txt line 2: .*{message}"):
        data[0]
    assert data[1].boxes.corners.shape == (0, 4)


def test_damaged_files_are_named(root):
    (root / "labels" / "train" / "a.txt").write_bytes(b"\xff\xfe1 0.5")
    with pytest.raises(EdgeMtlError, match=r"a\.txt: expected a text file of labels"):
        Yolo(root, "train")[0]
    image = root / "images" / "train" / "b.jpg"
    image.write_bytes(image.read_bytes()[:-30])
    with pytest.raises(EdgeMtlError, match=r"b\.jpg: the file ends early"):
        Yolo(root, "train")[1]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("names: [person", "not a description of data: while parsing"),
        ("train: images/train", "missing required field `names`"),
        ("names: {0: person, 2: car}", r"the ids 0 to 1, found \[0, 2\]"),
        ("names: [person]\nkpt_shape: [5, 3]", r"17 keypoints of 2 or 3 .*found kpt_shape \[5, 3"),
        ("names: [person]\ntrain: 3", r"\$\.train"),
    ],
)
def test_damaged_descriptions_are_named(root, yaml, message):
    write(root / "data.yaml", yaml)
    with pytest.raises(EdgeMtlError, match=rf"data\.yaml: .*{message}"):
        Yolo(root, "train")


def test_missing_parts_are_named(root):
    with pytest.raises(EdgeMtlError, match=r"images of val in .*images/val, found classes\.txt"):
        Yolo(root, "val")
    (root / "labels" / "train" / "a.txt").unlink()
    with pytest.raises(EdgeMtlError, match=r"labels/train: .*such as a\.txt, .*any of 2 images"):
        Yolo(root, "train")
    (root / "classes.txt").unlink()
    with pytest.raises(EdgeMtlError, match=r"expected data\.yaml, classes\.txt or one \.names"):
        Yolo(root, "train")


@pytest.mark.parametrize(
    ("name", "split", "count", "classes"),
    [
        ("carla", "train", 779, ("vehicle", "bike", "motobike", "traffic_light", "traffic_sign")),
        ("carla", "test", 249, ("vehicle", "bike", "motobike", "traffic_light", "traffic_sign")),
        ("coco128", "train", None, ("person", "bicycle", "car")),
        ("coco128", "val", None, ("person", "bicycle", "car")),
    ],
)
def test_the_real_folders_open_as_they_are(name, split, count, classes):
    root = REAL / name
    if not root.is_dir():
        pytest.skip(f"{root} is absent")
    data = open_dataset(f"yolo:{root}", split)
    assert data.vocabulary.boxes[: len(classes)] == classes
    assert count in (None, len(data))
    found = [data[i].boxes for i in np.linspace(0, len(data) - 1, 8).astype(int)]
    assert sum(len(boxes.corners) for boxes in found) > 0
    for boxes in found:
        assert (boxes.corners[:, 2:] - boxes.corners[:, :2] >= 1).all()
