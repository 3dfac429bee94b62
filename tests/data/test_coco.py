import json
import pickle

import numpy as np
import pytest

from edge_mtl.data.coco import Coco
from edge_mtl.data.datasets import open_dataset
from edge_mtl.data.sample import IGNORE
from edge_mtl.errors import EdgeMtlError
from edge_mtl.tasks import KEYPOINTS

PERSON, CAR, SKY, ROAD, OTHER = 1, 3, 157, 149, 183  # COCO's ids leave gaps
IMAGES = [
    {"id": 42, "file_name": "b.jpg", "width": 64, "height": 48, "license": 1},
    {"id": 7, "file_name": "a.jpg", "width": 64, "height": 48, "license": 1},
]
THINGS = [{"id": CAR, "name": "car"}, {"id": PERSON, "name": "person", "supercategory": "person"}]
SQUARE = [[10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]]


def thing(id_, category, bbox, segmentation, image=42, **more):
    area = bbox[2] * bbox[3]
    row = {"id": id_, "image_id": image, "category_id": category, "bbox": bbox, "area": area}
    return row | {"segmentation": segmentation, "iscrowd": 0} | more


def instances():
    crowd = {"size": [48, 64], "counts": [0, 48 * 4, 48 * 60]}  # the first four columns
    return [
        thing(1, CAR, [10, 10, 20, 20], SQUARE),
        thing(2, PERSON, [15, 15, 5, 10], [[15, 15, 20, 15, 20, 25, 15, 25]]),
        thing(3, PERSON, [0, 0, 4, 48], crowd, iscrowd=1),
        thing(4, CAR, [50, 40, 30, 30], []),
    ]


def write(root, kind, annotations, categories, part="val2017", images=IMAGES):
    path = root / "annotations" / f"{kind}_{part}.json"
    path.parent.mkdir(exist_ok=True)
    contents = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(contents))


@pytest.fixture
def root(tmp_path, save_image):
    for grey, image in enumerate(IMAGES):
        save_image(tmp_path / "val2017" / image["file_name"], grey=100 + 50 * grey)
    write(tmp_path, "instances", instances(), THINGS)
    return tmp_path


def test_things_by_name_in_the_order_of_their_ids(root):
    data = Coco(root, "val")
    assert data.vocabulary.boxes == ("person", "car")
    assert data.vocabulary.masks == {"segmentation": ("background", "person", "car")}
    assert len(data) == 2
    sample = data[0]
    assert sample.name.endswith("b.jpg")
    assert int(sample.image.mean()) == 100
    assert sample.boxes.corners.tolist() == [[10, 10, 30, 30], [15, 15, 20, 25], [50, 40, 64, 48]]
    assert sample.boxes.class_ids.tolist() == [1, 0, 1]
    assert sample.boxes.ignored.tolist() == [[0, 0, 4, 48]]
    assert sample.boxes.keypoints is None
    assert sample.boxes.searched is None


def test_outlines_and_runs_fill_the_mask_small_ones_on_top(root):
    expected = np.zeros((48, 64), np.uint8)
    expected[:, :4] = 1
    expected[10:30, 10:30] = 2
    expected[15:25, 15:20] = 1
    np.testing.assert_array_equal(Coco(root, "val")[0].masks["segmentation"], expected)


def test_packed_runs_are_the_same_mask(root):
    rows = instances()
    rows[2]["segmentation"]["counts"] = "0P6Pj2"  # [0, 192, 2880], packed as COCO does
    before = Coco(root, "val")[0].masks["segmentation"]
    write(root, "instances", rows, THINGS)
    np.testing.assert_array_equal(Coco(root, "val")[0].masks["segmentation"], before)


def test_an_image_that_no_label_names_holds_nothing(root):
    sample = Coco(root, "val")[1]
    assert sample.boxes.corners.shape == (0, 4)
    assert not sample.masks["segmentation"].any()


def test_keypoints_join_their_boxes_by_annotation(root):
    points = np.zeros((17, 3), int)
    points[0] = 17, 16, 2
    points[5] = 16, 20, 1
    people = [
        thing(2, PERSON, [15, 15, 5, 10], [], keypoints=points.ravel().tolist(), num_keypoints=2)
    ]
    write(root, "person_keypoints", people, [{"id": PERSON, "name": "person"}])
    boxes = Coco(root, "val")[0].boxes
    assert boxes.keypoints.shape == (3, 17, 3)
    assert not boxes.keypoints[[0, 2]].any()
    assert boxes.keypoints[1, 0].tolist() == [17.5, 16.5, 2]
    assert boxes.keypoints[1, 5].tolist() == [16.5, 20.5, 1]
    assert boxes.keypoints[1].any(axis=1).sum() == 2


def test_keypoints_alone_are_boxes_of_people(root):
    (root / "annotations" / "instances_val2017.json").unlink()
    people = [thing(2, PERSON, [15, 15, 5, 10], [], keypoints=[30, 20, 2] * len(KEYPOINTS))]
    write(root, "person_keypoints", people, [{"id": PERSON, "name": "person"}])
    data = Coco(root, "val")
    assert data.vocabulary.boxes == ("person",)
    assert data[0].boxes.class_ids.tolist() == [0]
    assert (data[0].boxes.keypoints == [30.5, 20.5, 2]).all()


def test_stuff_lies_under_things_and_the_rest_is_unlabelled(root):
    whole = {"size": [48, 64], "counts": [0, 48 * 64]}
    bottom = [[0, 40, 64, 40, 64, 48, 0, 48]]
    stuff = [thing(9, ROAD, [0, 40, 64, 8], bottom), thing(8, OTHER, [0, 0, 64, 48], whole)]
    names = [{"id": SKY, "name": "sky-other"}, {"id": ROAD, "name": "road"}]
    write(root, "stuff", stuff, [*names, {"id": OTHER, "name": "other"}])
    data = Coco(root, "val")
    assert data.vocabulary.masks["segmentation"] == ("person", "car", "road", "sky-other")
    mask = data[0].masks["segmentation"]
    assert (mask[41:, 10:] == 2).all()
    assert (mask[12, 12], mask[20, 16], mask[45, 2], mask[35, 40]) == (1, 0, 0, IGNORE)


def test_panoptic_segments_are_colours(root, save_mask):
    colours = np.zeros((48, 64, 3), np.uint8)
    colours[:20] = 3, 2, 1  # BGR of segment 1 + 256 * 2 + 65536 * 3
    colours[40:] = 0, 0, 9
    save_mask(root / "annotations" / "panoptic_val2017" / "b.png", colours)
    segments = [
        {"id": 1 + 256 * 2 + 65536 * 3, "category_id": SKY, "iscrowd": 0},
        {"id": 9, "category_id": CAR, "iscrowd": 0},
    ]
    rows = [{"image_id": 42, "file_name": "b.png", "segments_info": segments}]
    names = [*THINGS, {"id": SKY, "name": "sky-other-merged", "isthing": 0}]
    write(root, "panoptic", rows, names)
    data = Coco(root, "val")
    assert data.vocabulary.masks["segmentation"] == ("person", "car", "sky-other-merged")
    mask = data[0].masks["segmentation"]
    assert (mask[:20] == 2).all()
    assert (mask[20:40] == IGNORE).all()
    assert (mask[40:] == 1).all()
    assert (data[1].masks["segmentation"] == IGNORE).all()
    assert len(data[0].boxes.corners) == 3

    segments.pop()
    write(root, "panoptic", rows, names)
    with pytest.raises(EdgeMtlError, match=r"b\.png: expected the segments .* found segment 9;"):
        Coco(root, "val")[0]


@pytest.mark.parametrize(
    ("part", "folder"), [("train", "train"), ("train2014", "images/train2014")]
)
def test_splits_with_and_without_a_year(tmp_path, save_image, part, folder):
    for image in IMAGES:
        save_image(tmp_path / folder / image["file_name"])
    write(tmp_path, "instances", instances(), THINGS, part)
    assert len(open_dataset(f"coco:{tmp_path}", "train")) == 2


def test_missing_parts_are_named(root, tmp_path):
    with pytest.raises(EdgeMtlError, match=r"instances_train2017\.json.*found instances_val2017"):
        Coco(root, "train")
    (root / "val2017").rename(root / "pictures")
    with pytest.raises(EdgeMtlError, match=r"val2017/ or images/val2017/, found annotations/, pic"):
        Coco(root, "val")


def test_labels_of_no_image_are_an_error(root):
    write(root, "instances", [], THINGS, images=[])
    with pytest.raises(EdgeMtlError, match=r"val2017\.json: expected images, found none"):
        Coco(root, "val")


@pytest.mark.parametrize("cut", [0.2, 0.9])
def test_a_file_that_ends_early_is_an_error(root, cut):
    path = root / "annotations" / "instances_val2017.json"
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    with pytest.raises(EdgeMtlError, match=r"instances_val2017\.json: .*truncated"):
        Coco(root, "val")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category_id": 2}, "image 42: expected one of the 2 categories of the file, found 2"),
        ({"bbox": [1, 2, 3]}, r"image 42: .*length 4"),
        ({"bbox": [1, 2, 3, "4"]}, r"image 42: .*Expected `float`"),
        ({"segmentation": [[1, 2, 3, 4]]}, "annotation 1: .*three points or more, found 4 numbers"),
        ({"segmentation": [[1, 2, 3e9, 4, 5, 6]]}, r"annotation 1: .*at 3e\+09, far outside"),
        ({"segmentation": {"size": [9, 9], "counts": [81]}}, r"size \[48, 64\], found \[9, 9\]"),
        ({"segmentation": {"size": [48, 64], "counts": [0, 10**6]}}, "annotation 1: .*damaged"),
        ({"segmentation": {"size": [48, 64], "counts": "zzzz"}}, "annotation 1: .*damaged"),
        ({"segmentation": {"size": [48, 64], "counts": [-1, 3]}}, "shorter than nothing"),
    ],
)
def test_damaged_labels_are_named_by_file_and_image_and_spare_the_others(root, change, message):
    rows = instances()
    rows[0] |= change
    write(root, "instances", rows, THINGS)
    data = Coco(root, "val")
    with pytest.raises(EdgeMtlError, match=rf"instances_val2017\.json: .*{message}"):
        data[0]
    assert data[1].boxes.corners.shape == (0, 4)


def test_damaged_keypoints_and_owners_are_named(root):
    people = [thing(2, PERSON, [15, 15, 5, 10], [], keypoints=[1, 2, 2])]
    write(root, "person_keypoints", people, [{"id": PERSON, "name": "person"}])
    with pytest.raises(EdgeMtlError, match=r"annotation 2: .*17 keypoints, found 3 numbers"):
        Coco(root, "val")[0]
    write(root, "person_keypoints", [{"id": 1}], [])
    with pytest.raises(EdgeMtlError, match=r"annotation 0: .*`image_id`"):
        Coco(root, "val")


def test_an_image_of_another_size_than_its_labels_is_an_error(root, save_image):
    save_image(root / "val2017" / "b.jpg", 48, 64)
    with pytest.raises(EdgeMtlError, match=r"b\.jpg: expected the 64x48 px .*found 48x64"):
        Coco(root, "val")[0]
    data = (root / "val2017" / "a.jpg").read_bytes()
    (root / "val2017" / "a.jpg").write_bytes(data[:-30])
    with pytest.raises(EdgeMtlError, match=r"a\.jpg: the file ends early"):
        Coco(root, "val")[1]


def test_more_classes_than_a_mask_can_hold_leave_boxes(root):
    many = [{"id": i, "name": f"thing {i}"} for i in range(1, 300)]
    write(root, "instances", instances(), many)
    sample = Coco(root, "val")[0]
    assert sample.masks == {}
    assert sample.boxes.class_ids.tolist() == [2, 0, 2]


def test_it_travels_to_other_processes(root):
    data = pickle.loads(pickle.dumps(Coco(root, "val")))
    assert data[0].boxes.class_ids.tolist() == [1, 0, 1]
