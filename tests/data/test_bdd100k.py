import json
import logging
import pickle

import numpy as np
import pytest

from edge_mtl.data.bdd100k import Bdd100k
from edge_mtl.data.bdd100k_labels import BOX_CLASSES, DRIVABLE, LANE_TYPES
from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.sample import IGNORE
from edge_mtl.errors import EdgeMtlError

DIRECT, ALTERNATIVE, BACKGROUND = range(3)


def box(category, corners, **attributes):
    return {
        "id": "0",
        "category": category,
        "attributes": {"occluded": False, "trafficLightColor": "NA", **attributes},
        "box2d": dict(zip(("x1", "y1", "x2", "y2"), corners, strict=True)),
    }


def path(category, vertices, closed, types=None, **attributes):
    poly2d = {"vertices": vertices, "types": types or "L" * len(vertices), "closed": closed}
    return {"category": category, "attributes": attributes, "poly2d": [poly2d]}


def frame(stem, labels, **attributes):
    return {"name": f"{stem}.jpg", "attributes": attributes, "timestamp": 10000, "labels": labels}


SQUARE = [[10.2, 20.0], [30.9, 20.0], [30.9, 40.9], [10.2, 40.9]]
OF_2018 = [
    frame(
        "a",
        [
            box("person", (-4, 5, 6, 20)),
            box("bike", (10, 10, 20, 20)),
            path("drivable area", SQUARE, True, areaType="direct"),
            path("drivable area", [[40, 30], [60, 30], [50, 44]], True, areaType="alternative"),
            path("lane", [[5, 45], [5, 25]], False, laneTypes="single white", laneStyle="solid"),
            path("lane", [[60, 45], [60, 25]], False, laneTypes="road curb"),
        ],
        weather="rainy",
        scene="highway",
        timeofday="undefined",
    ),
    frame("b", [], weather="clear", scene="tunnel", timeofday="dawn/dusk"),
]
OF_2020 = [
    frame(
        "a",
        [
            box("pedestrian", (0, 5, 6, 20)),
            box("traffic light", (50, 2, 54, 9)),
            box("other vehicle", (40, 10, 50, 20)),
            box("car", (20, 10, 30, 20), crowd=True),
        ],
        weather="foggy",
        scene="city street",
        timeofday="night",
    ),
    {"name": "c.jpg", "attributes": {"weather": "undefined"}, "labels": None},
]


def write_2018(root, frames=OF_2018):
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels" / "bdd100k_labels_images_val.json").write_text(json.dumps(frames))


def write_2020(root, frames=OF_2020):
    (root / "labels" / "det_20").mkdir(parents=True, exist_ok=True)
    (root / "labels" / "det_20" / "det_val.json").write_text(json.dumps(frames))


@pytest.fixture
def root(tmp_path, save_image):
    for stem in "cab":
        save_image(tmp_path / "images" / "100k" / "val" / f"{stem}.jpg")
    return tmp_path


def test_labels_of_2018(root):
    write_2018(root)
    data = open_dataset(f"bdd100k:{root}", "val")
    assert len(data) == 2
    assert data.vocabulary.boxes == BOX_CLASSES
    sample = data[0]
    assert [BOX_CLASSES[i] for i in sample.boxes.class_ids] == ["pedestrian", "bicycle"]
    assert sample.boxes.corners.tolist() == [[0, 5, 6, 20], [10, 10, 20, 20]]
    assert sample.attributes == {"weather": "rainy", "scene": "highway"}
    assert data[1].attributes == {"weather": "clear", "scene": "tunnel", "timeofday": "dawn/dusk"}
    assert data[1].boxes.corners.shape == (0, 4)
    for each in data:
        for name, value in each.attributes.items():
            assert value in data.vocabulary.attributes[name]


def test_areas_and_lanes_of_2018_are_drawn(root):
    write_2018(root)
    data = Bdd100k(root, "val")
    assert data.vocabulary.masks == {
        "drivable": DRIVABLE,
        "lanes": ("background", "lane"),
        "lane_types": LANE_TYPES,
    }
    masks = data[0].masks
    assert (masks["drivable"][20:41, 10:31] == DIRECT).all()
    assert masks["drivable"][35, 50] == ALTERNATIVE
    assert masks["drivable"][10, 10] == BACKGROUND
    assert (masks["lane_types"][25:46, 5] == LANE_TYPES.index("single white")).all()
    assert (masks["lane_types"][25:46, 60] == LANE_TYPES.index("road curb")).all()
    assert masks["lane_types"][30, 40] == LANE_TYPES.index("background")
    assert masks["lanes"][30, 5] == 1
    assert masks["lanes"].sum() == (masks["lane_types"] == LANE_TYPES.index("single white")).sum()
    assert not data[1].masks["lanes"].any()


def test_boxes_of_2020_replace_those_of_2018(root):
    write_2018(root)
    write_2020(root)
    data = Bdd100k(root, "val")
    assert len(data) == 3
    boxes = data[0].boxes
    assert [BOX_CLASSES[i] for i in boxes.class_ids] == ["pedestrian", "traffic light"]
    assert boxes.ignored.tolist() == [[40, 10, 50, 20], [20, 10, 30, 20]]
    assert data[0].attributes["timeofday"] == "night"
    assert "drivable" in data[0].masks
    assert data[1].attributes["weather"] == "clear"  # known to the file of 2018 alone
    assert data[2].masks == {}
    assert data[2].attributes == {}
    assert data[2].boxes.corners.shape == (0, 4)


def test_masks_come_from_the_files_where_there_are_some(root, save_mask):
    write_2018(root)
    drivable = np.full((48, 64), BACKGROUND, np.uint8)
    drivable[30:], drivable[0] = DIRECT, IGNORE
    save_mask(root / "labels/drivable/masks/val/a.png", drivable)
    lanes = np.full((48, 64), 255, np.uint8)
    lanes[10] = 0b0_0_0_110  # single white, solid, along the road
    lanes[11] = 0b1_1_0_000  # crosswalk, dashed, across
    lanes[12] = 0b0_0_0_100  # road curb
    lanes[13] = 0b0_0_1_110  # background, whatever the other bits say
    save_mask(root / "labels/lane/masks/val/b.png", lanes)
    data = Bdd100k(root, "val")
    np.testing.assert_array_equal(data[0].masks["drivable"], drivable)
    types = data[1].masks["lane_types"]
    found = [LANE_TYPES[i] for i in types[9:14, 0]]
    assert found == ["background", "single white", "crosswalk", "road curb", "background"]
    assert data[1].masks["lanes"][9:14, 0].tolist() == [0, 1, 1, 0, 0]
    assert (data[1].masks["drivable"] == BACKGROUND).all()


def test_masks_alone_are_enough_and_images_without_labels_are_left_out(
    tmp_path, save_image, save_mask, caplog
):
    for stem in "ab":
        save_image(tmp_path / "images" / "train" / f"{stem}.jpg")
    save_mask(tmp_path / "labels/drivable/masks/train/b.png", np.zeros((48, 64), np.uint8))
    with caplog.at_level(logging.WARNING):
        data = Bdd100k(tmp_path, "train")
    assert "1 of 2 images have no labels and are left out" in caplog.text
    assert list(data.vocabulary.masks) == ["drivable"]
    assert (data.vocabulary.boxes, data.vocabulary.attributes) == ((), {})
    assert [sample.name[-5:] for sample in data] == ["b.jpg"]
    assert data[0].boxes is None


def test_missing_parts_are_named(root):
    (root / "labels").mkdir()
    with pytest.raises(EdgeMtlError, match=r"expected labels of val in labels/det_20/.*an empty"):
        Bdd100k(root, "val")
    write_2020(root, [frame("z", [])])
    with pytest.raises(EdgeMtlError, match=r"100k/val: expected images that the labels of val"):
        Bdd100k(root, "val")
    (root / "images" / "100k").rename(root / "images" / "10k")
    with pytest.raises(EdgeMtlError, match=r"images/100k/val/ or images/val/, found 10k/"):
        Bdd100k(root, "val")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (box("tram", (1, 2, 30, 40)), "expected boxes of pedestrian, .*found one of 'tram'"),
        (path("drivable area", SQUARE, True, areaType="pavement"), "direct, .* found 'pavement'"),
        (path("lane", SQUARE, False), "crosswalk, .* found None"),
        (path("lane", SQUARE, False, "LL", laneTypes="crosswalk"), "lane: .*each of 4 vertices"),
        (path("drivable area", [], True, areaType="direct"), "drivable area: .*found none"),
        ({"category": "car", "box2d": {"x1": 1}}, r"missing required field `y1`"),
    ],
)
def test_damaged_labels_are_named_and_spare_the_others(root, label, message):
    write_2018(root, [frame("a", [label]), frame("b", [])])
    data = Bdd100k(root, "val")
    with pytest.raises(EdgeMtlError, match=rf"(a\.jpg|val\.json: a): .*{message}"):
        data[0]
    assert data[1].boxes.corners.shape == (0, 4)


def test_damaged_files_are_named(root):
    write_2018(root, [{"attributes": {}}])
    with pytest.raises(EdgeMtlError, match=r"val\.json: frame 0: .*`name`"):
        Bdd100k(root, "val")
    write_2018(root, {"frames": []})
    with pytest.raises(EdgeMtlError, match=r"val\.json: .*Expected `array`"):
        Bdd100k(root, "val")


def test_a_mask_with_other_ids_is_an_error(root, save_mask):
    save_mask(root / "labels/drivable/masks/val/a.png", np.full((48, 64), 3, np.uint8))
    with pytest.raises(EdgeMtlError, match=r"a\.png: .*0 to 2, 255, found 3"):
        Bdd100k(root, "val")[0]
    save_mask(root / "labels/drivable/masks/val/a.png", np.zeros((20, 20), np.uint8))
    with pytest.raises(EdgeMtlError, match=r"a\.png: .*64x48, found 20x20"):
        Bdd100k(root, "val")[0]


def test_it_travels_to_other_processes(root):
    write_2018(root)
    data = pickle.loads(pickle.dumps(Bdd100k(root, "val")))
    assert len(data[0].boxes.corners) == 2
