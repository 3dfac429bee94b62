import json

import cv2
import numpy as np
import pytest

from edge_mtl.data.sample import IGNORE, Boxes, Sample, Vocabulary
from edge_mtl.data.scene_folder import FORMAT_VERSION, SceneFolder
from edge_mtl.data.scene_writer import write_scene_folder
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.tasks import KEYPOINTS


class Scenes:
    """Three frames: with boxes and keypoints, with boxes that have none, without boxes."""

    name = "made:for-tests"
    vocabulary = Vocabulary(
        masks={"segmentation": ("Sky", "Road"), "lanes": ("background", "lane")},
        boxes=("car", "person"),
        attributes={"time": ("day", "night"), "present": ("car", "person")},
    )

    def __init__(self, stop_at=None, moved=0.0):
        self.stop_at = stop_at
        self.moved = moved

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == self.stop_at:
            raise KeyboardInterrupt
        rng = np.random.default_rng(index)
        image = cv2.GaussianBlur(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8), (0, 0), 3)
        masks = {
            name: rng.choice([0, 1, IGNORE], (48, 64)).astype(np.uint8)
            for name in ("segmentation", "lanes")
        }
        if index == 2:
            return Sample(image, "frame 2", {"segmentation": masks["segmentation"]})
        points = np.concatenate(
            [
                rng.uniform(0, 48, (2, len(KEYPOINTS), 2)),
                rng.integers(0, 3, (2, len(KEYPOINTS), 1)),
            ],
            axis=2,
        )
        corners = np.sort(rng.uniform(0, 48, (2 - index, 2, 2)), axis=1).reshape(-1, 4)
        boxes = Boxes(
            (corners + self.moved).astype(np.float32),
            rng.integers(0, 2, 2 - index),
            points.astype(np.float32) if index == 0 else None,
            ignored=np.array([[1, 2, 30.5, 40]] * index, np.float32).reshape(-1, 4),
            searched=np.array([True, False]) if index else None,
        )
        attributes = {"time": "night", "present": ("car", "person")}
        return Sample(image, f"frame {index}", masks, boxes, attributes)


@pytest.fixture
def folder(tmp_path):
    write_scene_folder(Scenes(), tmp_path / "scenes")
    return tmp_path / "scenes"


def test_what_was_written_is_read_again(tmp_path, capfd):
    calls = []
    write_scene_folder(Scenes(), tmp_path / "scenes", lambda *done: calls.append(done))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert capfd.readouterr() == ("", "")
    read = SceneFolder(tmp_path / "scenes")
    assert len(read) == 3
    assert read.vocabulary == Scenes.vocabulary
    assert read.name == f"scenes:{tmp_path / 'scenes'}"
    for index, after in enumerate(read):
        before = Scenes()[index]
        assert after.name == before.name
        assert after.attributes == before.attributes
        assert np.abs(after.image.astype(int) - before.image).mean() < 3
        assert after.masks.keys() == before.masks.keys()
        for name, mask in before.masks.items():
            np.testing.assert_array_equal(after.masks[name], mask)
        assert (after.boxes is None) == (before.boxes is None)
        if before.boxes is not None:
            np.testing.assert_allclose(after.boxes.corners, before.boxes.corners, atol=1e-3)
            np.testing.assert_array_equal(after.boxes.class_ids, before.boxes.class_ids)
            np.testing.assert_array_equal(after.boxes.ignored, before.boxes.ignored)
            assert (after.boxes.searched is None) == (before.boxes.searched is None)
            if before.boxes.searched is not None:
                assert after.boxes.searched.tolist() == before.boxes.searched.tolist()
            assert (after.boxes.keypoints is None) == (before.boxes.keypoints is None)
            if before.boxes.keypoints is not None:
                np.testing.assert_allclose(after.boxes.keypoints, before.boxes.keypoints, atol=1e-3)


def test_the_folder_is_plain_files(folder):
    card = json.loads((folder / "dataset.json").read_text())
    assert card["format_version"] == FORMAT_VERSION
    assert card["made_from"] == "made:for-tests"
    assert card["masks"]["lanes"] == ["background", "lane"]
    lines = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines] == ["000000.jpg", "000001.jpg", "000002.jpg"]
    assert {p.name for p in (folder / "masks" / "lanes").iterdir()} == {"000000.png", "000001.png"}


def test_an_interrupted_write_is_noticed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_scene_folder(Scenes(stop_at=2), tmp_path / "scenes")
    with pytest.raises(EdgeMtlError, match=r"interrupted, it has no dataset\.json; run what"):
        SceneFolder(tmp_path / "scenes")


def test_an_interrupted_write_goes_on_where_it_stopped(folder, tmp_path):
    again = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        write_scene_folder(Scenes(stop_at=2), again)
    with (again / "labels.jsonl").open("ab") as lines:
        lines.write(b'{"file": "half a li')
    calls = []
    write_scene_folder(Scenes(), again, lambda *done: calls.append(done))
    assert calls == [(3, 3)]
    for path in folder.rglob("*"):
        if path.is_file():
            assert (again / path.relative_to(folder)).read_bytes() == path.read_bytes(), path
    assert len(list(again.rglob("*"))) == len(list(folder.rglob("*")))


def test_an_interrupted_write_of_something_else_is_not_gone_on_with(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_scene_folder(Scenes(stop_at=2), tmp_path / "scenes")
    before = (tmp_path / "scenes" / "labels.jsonl").read_bytes()
    other = Scenes(moved=1.0)
    with pytest.raises(UsageError, match="found other labels on the last of them"):
        write_scene_folder(other, tmp_path / "scenes")
    other.name = "another"
    with pytest.raises(UsageError, match="found one in use"):
        write_scene_folder(other, tmp_path / "scenes")
    assert (tmp_path / "scenes" / "labels.jsonl").read_bytes() == before


def test_a_folder_in_use_is_not_written_to(folder, tmp_path):
    before = sorted(folder.rglob("*"))
    with pytest.raises(UsageError, match="expected a new or an empty folder"):
        write_scene_folder(Scenes(), folder)
    assert sorted(folder.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    write_scene_folder(Scenes(), tmp_path / "empty")
    assert len(SceneFolder(tmp_path / "empty")) == 3


def test_a_folder_of_something_else_is_an_error(tmp_path):
    with pytest.raises(
        EdgeMtlError, match=r"expected a folder with dataset.json.*found an empty folder"
    ):
        SceneFolder(tmp_path)
    with pytest.raises(EdgeMtlError, match="no such folder"):
        SceneFolder(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EdgeMtlError, match=r"expected to write 3 frames, found Not a directory"):
        write_scene_folder(Scenes(), tmp_path / "file" / "scenes")


def test_a_newer_format_is_refused(folder):
    card = {"format_version": FORMAT_VERSION + 1, "something": "new"}
    (folder / "dataset.json").write_text(json.dumps(card))
    with pytest.raises(EdgeMtlError, match=f"found {FORMAT_VERSION + 1}; update edge-mtl"):
        SceneFolder(folder)


def test_a_folder_from_before_there_were_attributes_in_its_card_is_read(folder):
    path = folder / "dataset.json"
    card = json.loads(path.read_text())
    assert card.pop("attributes") == {"time": ["day", "night"], "present": ["car", "person"]}
    path.write_text(json.dumps(card))
    lines = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("ignored", None)
        line.pop("searched", None)
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, lines)))
    read = SceneFolder(folder)
    assert read.vocabulary.attributes == {}
    assert read[1].boxes.ignored.shape == (0, 4)
    assert read[1].boxes.searched is None
    assert read[0].attributes["time"] == "night"


@pytest.mark.parametrize("text", ["{", '{"format_version": 1}', "[]", "\udcff"])
def test_a_damaged_card_is_an_error(folder, text):
    (folder / "dataset.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(EdgeMtlError, match=r"dataset\.json: damaged"):
        SceneFolder(folder)


def edit_line(folder, number, **changes):
    path = folder / "labels.jsonl"
    lines = path.read_text().splitlines()
    lines[number] = json.dumps(json.loads(lines[number]) | changes)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_ids": [0]}, "a class id for each of 2 boxes, found 1"),
        ({"class_ids": [0, 2]}, "class ids below 2"),
        ({"keypoints": [[[1, 2, 2]], [[1, 2, 2]]]}, "17 keypoints for each of 2 boxes"),
        ({"masks": ["water"]}, "masks named segmentation, lanes, found water"),
        ({"searched": [True]}, "2 values of searched, found 1"),
        ({"boxes": "none"}, r"Expected `array \| null`"),
        ({"file": "../../secret.jpg"}, "a file name in images/"),
    ],
)
def test_labels_that_contradict_themselves_are_named_by_line(folder, changes, message):
    edit_line(folder, 0, **changes)
    with pytest.raises(EdgeMtlError, match=f"labels.jsonl line 1: .*{message}"):
        SceneFolder(folder)


def test_keypoints_in_another_order_are_an_error(folder):
    path = folder / "dataset.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"keypoints": card["keypoints"][::-1]}))
    with pytest.raises(EdgeMtlError, match=r"line 1: expected the keypoints .*found right_ankle, "):
        SceneFolder(folder)


def test_missing_lines_and_files_are_errors(folder):
    lines = (folder / "labels.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "labels.jsonl").write_bytes(lines[0] + lines[1])
    with pytest.raises(EdgeMtlError, match="expected 3 lines, a frame each, found 2"):
        SceneFolder(folder)
    (folder / "labels.jsonl").unlink()
    with pytest.raises(EdgeMtlError, match=r"labels\.jsonl: No such file"):
        SceneFolder(folder)


def test_a_damaged_frame_is_an_error_when_it_is_taken(folder):
    image = folder / "images" / "000000.jpg"
    image.write_bytes(image.read_bytes()[:-40])
    cv2.imwrite(str(folder / "masks" / "lanes" / "000001.png"), np.zeros((24, 32), np.uint8))
    cv2.imwrite(
        str(folder / "masks" / "segmentation" / "000002.png"), np.full((48, 64), 2, np.uint8)
    )
    read = SceneFolder(folder)
    with pytest.raises(EdgeMtlError, match=r"000000\.jpg: the file ends early"):
        read[0]
    with pytest.raises(EdgeMtlError, match=r"000001\.png: .*size 64x48, found 32x24"):
        read[1]
    with pytest.raises(EdgeMtlError, match=r"000002\.png: .*ids 0 to 1, 255, found 2"):
        read[2]
