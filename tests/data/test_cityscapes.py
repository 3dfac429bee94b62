import json

import cv2
import numpy as np
import pytest

from edge_mtl.data.cityscapes import BOX_CLASSES, CLASSES, LABEL_IDS, Cityscapes
from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.sample import IGNORE
from edge_mtl.errors import EdgeMtlError, UsageError

BREMEN, ULM = "bremen_000001_000019", "ulm_000000_000019"


def outline(label, *points, **more):
    return {"label": label, "polygon": [list(point) for point in points], **more}


OBJECTS = [
    outline("road", (0, 30), (63, 30), (63, 47), (0, 47)),
    outline("car", (10, 20), (29, 20), (29, 39), (10, 39)),
    outline("cargroup", (40, 20), (60, 20), (60, 30), (40, 30)),
    outline("person", (-5, 10), (4, 10), (4, 29), (-5, 29)),
    outline("trailer", (50, 0), (60, 0), (60, 9), (50, 9)),
    outline("bus", (0, 0), (9, 0), (9, 9), deleted=1),
    outline("traffic sign", (30, 0), (35, 0), (35, 5), (30, 5)),
]


def write_labels(root, split, frame, objects=OBJECTS, width=64):
    stem = root / "gtFine" / split / frame.partition("_")[0] / f"{frame}_gtFine"
    stem.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"imgHeight": 48, "imgWidth": width, "objects": objects})
    stem.with_name(f"{stem.name}_polygons.json").write_text(text)
    mask = np.zeros((48, 64), np.uint8)
    mask[30:] = LABEL_IDS["road"]
    mask[20:40, 10:30] = LABEL_IDS["car"]
    mask[:5] = LABEL_IDS["sky"]
    mask[5, 5] = 255  # a licence plate
    mask[6] = 29  # a caravan
    cv2.imwrite(str(stem.with_name(f"{stem.name}_labelIds.png")), mask)


@pytest.fixture
def root(tmp_path, save_image):
    for frame, grey in ((ULM, 200), (BREMEN, 100)):
        city = frame.partition("_")[0]
        save_image(tmp_path / f"leftImg8bit/val/{city}/{frame}_leftImg8bit.png", grey=grey)
        write_labels(tmp_path, "val", frame)
    return tmp_path


def test_the_classes_are_those_of_the_benchmark():
    assert len(CLASSES) == 19
    assert (CLASSES[0], CLASSES[13], CLASSES[18]) == ("road", "car", "bicycle")
    assert set(BOX_CLASSES) < set(CLASSES)


def test_masks_get_the_19_classes(root):
    data = open_dataset(f"cityscapes:{root}", "val")
    assert [int(sample.image.mean()) for sample in data] == [100, 200]
    mask = data[0].masks["segmentation"]
    assert mask.dtype == np.uint8
    assert {CLASSES[i] for i in np.unique(mask) if i != IGNORE} == {"road", "car", "sky"}
    assert (mask[6] == IGNORE).all()
    assert (mask[5, 5], mask[10, 40]) == (IGNORE, IGNORE)
    assert mask[25, 15] == CLASSES.index("car")


def test_outlines_become_boxes_and_groups_areas_to_ignore(root):
    boxes = Cityscapes(root, "val")[0].boxes
    assert [BOX_CLASSES[i] for i in boxes.class_ids] == ["car", "person"]
    assert boxes.corners.tolist() == [[10, 20, 30, 40], [0, 10, 5, 30]]
    assert boxes.ignored.tolist() == [[40, 20, 61, 31], [50, 0, 61, 10]]


def test_a_frame_without_objects_has_empty_boxes(root):
    write_labels(root, "val", BREMEN, [])
    assert Cityscapes(root, "val")[0].boxes.corners.shape == (0, 4)


def test_the_test_split_has_no_labels(root):
    with pytest.raises(UsageError, match=r"does not publish .* test split; take val"):
        Cityscapes(root, "test")


def test_missing_folders_frames_and_labels_are_named(root):
    with pytest.raises(EdgeMtlError, match=r"leftImg8bit/train/ .*found gtFine/, leftImg8bit/"):
        Cityscapes(root, "train")
    (root / f"gtFine/val/ulm/{ULM}_gtFine_polygons.json").unlink()
    with pytest.raises(EdgeMtlError, match=r"polygons\.json: .*1 such files of 2 frames"):
        Cityscapes(root, "val")
    for image in root.glob("leftImg8bit/val/*/*"):
        image.unlink()
    with pytest.raises(EdgeMtlError, match=r"expected frames CITY/\*_leftImg8bit.png"):
        Cityscapes(root, "val")


def test_damaged_files_are_named_and_spare_the_others(root, save_mask):
    stem = f"gtFine/val/bremen/{BREMEN}_gtFine_"
    data = Cityscapes(root, "val")
    save_mask(root / f"{stem}labelIds.png", np.full((48, 64), 34, np.uint8))
    with pytest.raises(EdgeMtlError, match=r"labelIds\.png: .*ids 0 to 33, 255, found 34"):
        data[0]
    write_labels(root, "val", BREMEN, width=99)
    with pytest.raises(EdgeMtlError, match=r"polygons\.json: .*64x48 px, found 99x48"):
        data[0]
    text = (root / f"{stem}polygons.json").read_text()
    (root / f"{stem}polygons.json").write_text(text[:-20])
    with pytest.raises(EdgeMtlError, match=r"polygons\.json: .*truncated"):
        data[0]
    write_labels(root, "val", BREMEN, [outline("car", (1, 2), (3, 4, 5))])
    with pytest.raises(EdgeMtlError, match=r"polygons\.json: .*polygon"):
        data[0]
    assert len(data[1].boxes.corners) == 2
