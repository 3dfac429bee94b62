import dataclasses

import numpy as np
import pytest

from edge_mtl.data.augment import Augmentation, augment
from edge_mtl.data.mosaic import Tile, joined, quartered
from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.tasks import KEYPOINTS

IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
SIZE = 64, 48
CORNERS = [(0, 0), (32, 0), (0, 24), (32, 24)]


def quarter(number, masks=("segmentation",), **changes):
    """32x24 of grey level 10 times its number, masks of that number, and a box of that class."""
    made = Sample(
        np.full((24, 32, 3), 10 * number, np.uint8),
        f"q{number}",
        {name: np.full((24, 32), number, np.uint8) for name in masks},
        Boxes(np.array([[4, 4, 20, 16]], np.float32), np.array([number])),
    )
    return dataclasses.replace(made, **changes)


def joined_quarters(*samples):
    tiles = [Tile(one, IDENTITY, at, (32, 24)) for one, at in zip(samples, CORNERS, strict=True)]
    return joined(tiles, SIZE)


def test_four_samples_fill_the_picture_with_their_labels():
    joint = joined_quarters(*(quarter(n) for n in (1, 2, 3, 4)))
    np.testing.assert_array_equal(joint.image[:, :, 0], joint.masks["segmentation"] * 10)
    assert joint.image[[0, 0, -1, -1], [0, -1, 0, -1], 0].tolist() == [10, 20, 30, 40]
    assert joint.boxes.class_ids.tolist() == [1, 2, 3, 4]
    expected = [[4, 4, 20, 16], [36, 4, 52, 16], [4, 28, 20, 40], [36, 28, 52, 40]]
    assert joint.boxes.corners.tolist() == expected
    assert joint.boxes.keypoints is None
    assert joint.boxes.searched is None
    assert len(joint.boxes.ignored) == 0
    assert joint.name == "q1 + q2 + q3 + q4"


def test_what_one_sample_does_not_label_is_not_supervised_in_its_quarter():
    joint = joined_quarters(
        quarter(1),
        quarter(2, masks=("segmentation", "lanes"), boxes=None),
        quarter(3, masks=()),
        quarter(4),
    )
    assert list(joint.masks) == ["segmentation", "lanes"]
    np.testing.assert_array_equal(joint.masks["segmentation"][24:, :32], IGNORE)
    assert (joint.masks["segmentation"] == IGNORE).sum() == 24 * 32
    assert (joint.masks["lanes"] == 2).sum() == 24 * 32
    assert (joint.masks["lanes"] == IGNORE).sum() == 3 * 24 * 32
    assert joint.boxes.class_ids.tolist() == [1, 3, 4]
    assert joint.boxes.ignored.tolist() == [[32, 0, 64, 24]]


def test_without_any_boxes_there_are_none():
    assert joined_quarters(*(quarter(n, boxes=None) for n in (1, 2, 3, 4))).boxes is None


def test_keypoints_ignored_areas_and_searched_classes_come_along():
    points = np.zeros((1, len(KEYPOINTS), 3), np.float32)
    points[0, 0] = 6, 7, 2
    own = quarter(2).boxes
    posed = dataclasses.replace(own, keypoints=points, searched=np.array([True, False, True]))
    crowd = dataclasses.replace(own, ignored=np.array([[1, 2, 3, 4]], np.float32))
    joint = joined_quarters(
        quarter(0), quarter(2, boxes=posed), quarter(2, boxes=crowd), quarter(1)
    )
    assert joint.boxes.keypoints[:, 0].tolist() == [[0, 0, 0], [38, 7, 2], [0, 0, 0], [0, 0, 0]]
    assert not joint.boxes.keypoints[:, 1:].any()
    assert joint.boxes.ignored.tolist() == [[1, 26, 3, 28]]
    assert joint.boxes.searched.tolist() == [True, False, True]


def test_attributes_stay_where_all_agree():
    same = {"time": "day", "present": ("car", "sign")}
    rows = [{**same, "weather": "rain"}] * 3 + [{**same, "weather": "fog"}]
    joint = joined_quarters(*(quarter(n, attributes=row) for n, row in enumerate(rows)))
    assert joint.attributes == same
    some = joined_quarters(*(quarter(n, attributes=same if n else {}) for n in range(4)))
    assert some.attributes == {}


@pytest.mark.parametrize("size", [(64, 48), (97, 131), (448, 320)])
def test_quarters_cover_the_picture_without_overlap(size):
    samples = [quarter(n) for n in range(4)]
    for seed in range(20):
        tiles = quartered(samples, size, lambda *_: IDENTITY, np.random.default_rng(seed))
        cover = np.zeros((size[1], size[0]), int)
        for tile in tiles:
            cover[tile.window] += 1
            assert min(np.array(tile.size) / size) > 0.33
        assert (cover == 1).all()


@pytest.mark.parametrize("seed", range(10))
def test_augmented_mosaics_show_four_samples_and_no_padding(seed):
    """Image and mask are the same function of the sample, so they must agree everywhere."""
    rng = np.random.default_rng(seed)
    numbers = iter((2, 3, 4))
    config = Augmentation(
        mosaic=1.0,
        rotate_deg=0.0,
        brightness=0.0,
        contrast=(1.0, 1.0),
        gamma=(1.0, 1.0),
        colour_cast=0.0,
        **dict.fromkeys(("saturation", "hue_deg", "grey", "shadow", "blur", "noise", "jpeg"), 0.0),
    )
    made = augment(quarter(1), (100, 80), config, rng, partner=lambda: quarter(next(numbers)))
    np.testing.assert_array_equal(made.image[:, :, 1], made.masks["segmentation"] * 10)
    assert np.unique(made.masks["segmentation"]).tolist() == [1, 2, 3, 4]
    for (x1, y1, x2, y2), number in zip(made.boxes.corners, made.boxes.class_ids, strict=True):
        inside = made.masks["segmentation"][int(y1 + 1) : int(y2 - 1), int(x1 + 1) : int(x2 - 1)]
        assert (inside == number).all()
