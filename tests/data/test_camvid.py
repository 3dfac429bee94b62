import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_mtl.data.camvid import BOX_CLASSES, CLASSES, CamVid, boxes_from_mask
from edge_mtl.data.sample import IGNORE
from edge_mtl.errors import EdgeMtlError

CAR, PEDESTRIAN, BICYCLIST = (CLASSES.index(n) for n in ("Car", "Pedestrian", "Bicyclist"))
REAL = Path(
    os.environ.get("EDGE_MTL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)


@pytest.fixture
def root(tmp_path):
    """Two frames of 60x40 in each of train (.png) and val (.jpg), with one car and one sky."""
    for split, suffix in (("train", ".png"), ("val", ".jpg")):
        (tmp_path / split).mkdir()
        (tmp_path / f"{split}annot").mkdir()
        for frame in ("b", "a"):
            mask = np.full((40, 60), 11, np.uint8)
            mask[:10] = 0
            mask[20:30, 5:25] = CAR
            image = np.full((40, 60, 3), 90 if frame == "a" else 160, np.uint8)
            cv2.imwrite(str(tmp_path / split / f"{frame}{suffix}"), image)
            cv2.imwrite(str(tmp_path / f"{split}annot" / f"{frame}.png"), mask)
    return tmp_path


@pytest.mark.parametrize("split", ["train", "val"])
def test_reads_images_masks_and_derived_boxes(root, split):
    data = CamVid(root, split)
    assert len(data) == 2
    assert str(root) in data.name
    assert split in data.name
    samples = list(data)
    assert [int(sample.image.mean()) for sample in samples] == [90, 160]
    mask = samples[0].masks["segmentation"]
    assert mask.dtype == np.uint8
    assert {int(v): int((mask == v).sum()) for v in np.unique(mask)} == {
        0: 600,
        CAR: 200,
        IGNORE: 1600,
    }
    assert samples[0].boxes.corners.tolist() == [[5, 20, 25, 30]]
    assert [data.vocabulary.boxes[i] for i in samples[0].boxes.class_ids] == ["car"]
    assert data.vocabulary.masks == {"segmentation": CLASSES}


def test_boxes_are_the_bounds_of_large_enough_components():
    mask = np.zeros((50, 80), np.uint8)
    mask[0:5, 0:8] = CAR  # exactly 40 pixels
    mask[10:13, 0:13] = CAR  # 39 pixels: a speck
    mask[20:30, 20:30] = CAR
    mask[30:40, 30:40] = CAR  # touches the last one by a corner: the same object
    mask[20:40, 60:64] = PEDESTRIAN
    mask[20:40, 64:70] = BICYCLIST  # touches, but is of another class
    boxes = boxes_from_mask(mask)
    names = [list(BOX_CLASSES)[i] for i in boxes.class_ids]
    found = sorted(zip(names, boxes.corners.tolist(), strict=True))
    assert found == [
        ("car", [0, 0, 8, 5]),
        ("car", [20, 20, 40, 40]),
        ("cyclist", [64, 20, 70, 40]),
        ("pedestrian", [60, 20, 64, 40]),
    ]
    assert boxes.corners.dtype == np.float32
    assert boxes.class_ids.dtype == np.int64


def test_a_frame_without_objects_has_no_boxes_rather_than_unknown_ones():
    boxes = boxes_from_mask(np.full((10, 10), 11, np.uint8))
    assert boxes.corners.shape == (0, 4)


def test_a_missing_mask_is_found_at_once(root):
    (root / "trainannot" / "b.png").unlink()
    with pytest.raises(EdgeMtlError, match=r"trainannot/b\.png: .*mask of b\.png.*1 of 2 images"):
        CamVid(root, "train")


def test_a_missing_split_says_what_is_there(root):
    with pytest.raises(
        EdgeMtlError, match=r"expected .*test/ and testannot/, found train/, trainannot/, val/"
    ):
        CamVid(root, "test")
    with pytest.raises(EdgeMtlError, match="found no such folder"):
        CamVid(root / "nowhere", "train")


def test_an_empty_split_is_an_error(root):
    for path in (root / "train").iterdir():
        path.unlink()
    with pytest.raises(EdgeMtlError, match=r"expected images .* found an empty folder"):
        CamVid(root, "train")


def test_damaged_pairs_are_errors_that_name_the_file(root):
    annot = root / "trainannot"
    cv2.imwrite(str(annot / "a.png"), np.zeros((20, 30), np.uint8))
    cv2.imwrite(str(annot / "b.png"), np.full((40, 60), 12, np.uint8))
    (root / "val" / "a.jpg").write_bytes(b"no jpeg")
    with pytest.raises(EdgeMtlError, match=r"a\.png: .*size 60x40, found 30x20; resize"):
        CamVid(root, "train")[0]
    with pytest.raises(EdgeMtlError, match=r"b\.png: .*class ids 0 to 11, found 12"):
        CamVid(root, "train")[1]
    with pytest.raises(EdgeMtlError, match=r"a\.jpg: expected a JPEG or PNG"):
        CamVid(root, "val")[0]


@pytest.mark.skipif(
    not (REAL / "camvid").is_dir(),
    reason="needs the real CamVid under EDGE_MTL_DATA or ../shared/data",
)
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_real_camvid(split):
    data = CamVid(REAL / "camvid", split)
    assert len(data) > 50
    for sample in (data[0], data[len(data) // 2], data[len(data) - 1]):
        assert sample.image.shape == (360, 480, 3)
        mask = sample.masks["segmentation"]
        assert (mask[:90] == CLASSES.index("Sky")).mean() > 0.02
        assert (mask[180:] == CLASSES.index("Road")).mean() > 0.1
        for (x1, y1, x2, y2), class_id in zip(
            sample.boxes.corners.astype(int), sample.boxes.class_ids, strict=True
        ):
            mask_class = CLASSES.index(list(BOX_CLASSES.values())[class_id])
            region = mask[y1:y2, x1:x2] == mask_class
            assert region.any(axis=0)[[0, -1]].all()
            assert region.any(axis=1)[[0, -1]].all()
