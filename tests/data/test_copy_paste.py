import dataclasses

import numpy as np
import pytest

from edge_mtl.data.copy_paste import copy_paste
from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.tasks import KEYPOINTS

SKY, ROAD, CAR, POLE, SIGN, LAWN = range(6)
NOSE, LEFT, RIGHT = (KEYPOINTS.index(n) for n in ("nose", "left_wrist", "right_wrist"))


def street(*blocks, size=(160, 120), boxes=True, ground=ROAD):
    """Sky over ground from half the height on, and blocks (mask class, x1, y1, x2, y2) with boxes.

    Every pixel's value is 40 times its class, so that image and mask can be compared.
    """
    mask = np.full((size[1], size[0]), SKY, np.uint8)
    mask[size[1] // 2 :] = ground
    for class_id, x1, y1, x2, y2 in blocks:
        mask[y1:y2, x1:x2] = class_id
    boxed = [block for block in blocks if block[0] != POLE]
    return Sample(
        np.repeat(40 * mask[:, :, None], 3, axis=2),
        "street",
        {"segmentation": mask, "drivable": (mask == ROAD).astype(np.uint8)},
        Boxes(
            np.array([block[1:] for block in boxed], np.float32).reshape(-1, 4),
            np.array([block[0] for block in boxed], np.int64),
        )
        if boxes
        else None,
    )


def pasted(sample, partner, seed=0, thin=()):
    return copy_paste(sample, partner, np.random.default_rng(seed), thin)


@pytest.mark.parametrize("seed", range(20))
def test_image_masks_and_box_of_a_pasted_car_agree(seed):
    partner = street((CAR, 60, 50, 90, 70))
    made = pasted(street(), partner, seed)
    mask = made.masks["segmentation"]
    ys, xs = np.nonzero(mask == CAR)
    assert len(xs) == 30 * 20
    # As high in the picture as it was; anywhere sideways; mirrored it looks the same.
    assert (ys.min(), ys.max() + 1) == (50, 70)
    assert made.boxes.class_ids.tolist() == [CAR]
    assert made.boxes.corners.tolist() == [[xs.min(), 50, xs.max() + 1, 70]]
    np.testing.assert_array_equal(made.masks["drivable"], mask == ROAD)

    # As light as the picture is, softened at the car's edge; around it nothing has changed.
    light = street().image.mean() / partner.image.mean()
    inner = made.image[51:69, xs.min() + 1 : xs.max(), 0]
    np.testing.assert_allclose(inner, 40 * CAR * light, atol=1)
    around = mask != CAR
    np.testing.assert_array_equal(made.image[around][:, 0], 40 * mask[around])


def test_it_goes_to_different_places():
    partner = street((CAR, 60, 50, 90, 70))
    lefts = {pasted(street(), partner, seed).boxes.corners[0, 0] for seed in range(12)}
    assert len(lefts) > 6


def test_it_takes_the_size_that_it_has_in_a_picture_of_that_height():
    made = pasted(street(size=(320, 240)), street((CAR, 60, 50, 90, 70)))
    (x1, y1, x2, y2) = made.boxes.corners[0]
    np.testing.assert_allclose([x2 - x1, y1, y2], [60, 100, 140], atol=0.5)
    assert abs((made.masks["segmentation"] == CAR).sum() - 60 * 40) < 100


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (street(ground=LAWN), "the car stood on a road"),
        (street((CAR, 0, 70, 160, 110)), "a nearer car fills the street"),
        (street(size=(30, 120)), "the picture is too narrow"),
    ],
)
def test_nothing_is_pasted_where_no_place_suits(sample, why):
    partner = street((CAR, 60, 55, 90, 75))
    assert all(pasted(sample, partner, seed) is sample for seed in range(10)), why


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ((CAR, 0, 50, 30, 70), "its left is out of the picture"),
        ((CAR, 130, 50, 160, 70), "its right is out of the picture"),
        ((CAR, 60, 90, 90, 120), "its wheels are out of the picture"),
        ((CAR, 60, 65, 64, 70), "it is smaller than a box may be"),
    ],
)
def test_things_that_are_cut_or_tiny_stay(block, why):
    sample = street()
    assert pasted(sample, street(block)) is sample, why


def test_a_box_whose_region_is_larger_or_missing_is_not_cut_out():
    partner = street((CAR, 20, 50, 90, 70))
    partner.boxes.corners[0] = 60, 50, 80, 70  # a part of what the mask shows as one region
    assert pasted(street(), partner).boxes.class_ids.tolist() == []
    unlabelled = street((CAR, 60, 50, 90, 70))
    del unlabelled.masks["segmentation"]
    assert pasted(street(), unlabelled).boxes.class_ids.tolist() == []


@pytest.mark.parametrize(("top", "kept"), [(58, False), (40, True)])
def test_boxes_behind_are_dropped_where_too_little_remains(top, kept):
    """A wide car in front hides a narrow one behind it where their rows meet."""
    behind = (CAR, 10, top, 150, 72)
    made = pasted(street(behind), street((SIGN, 3, 60, 157, 80)))
    assert made.boxes.class_ids.tolist() == ([CAR, SIGN] if kept else [SIGN])
    visible = (made.masks["segmentation"] == CAR).sum()
    assert (visible >= 0.3 * 140 * (72 - top)) == kept
    if kept:
        assert made.boxes.corners[0].tolist() == [10, 40, 150, 72]


def test_keypoints_move_with_their_person_and_covered_ones_are_hidden():
    def posed(sample, points):
        keypoints = np.zeros((1, len(KEYPOINTS), 3), np.float32)
        for name, point in points.items():
            keypoints[0, name] = point
        boxes = dataclasses.replace(sample.boxes, keypoints=keypoints)
        return dataclasses.replace(sample, boxes=boxes)

    partner = posed(street((CAR, 3, 60, 157, 80)), {LEFT: (13, 65, 2), RIGHT: (140, 70, 1)})
    behind = posed(street((SIGN, 10, 30, 150, 70)), {NOSE: (80, 40, 2), LEFT: (80, 65, 2)})
    ways = set()
    for seed in range(8):
        made = pasted(behind, partner, seed)
        old, new = made.boxes.keypoints
        assert old[NOSE].tolist() == [80, 40, 2]
        assert old[LEFT].tolist() == [80, 65, 1]
        x1, _, x2, _ = made.boxes.corners[1]
        straight = new[LEFT, 2] == 2
        ways.add(bool(straight))
        if straight:
            assert new[LEFT].tolist() == [x1 + 10, 65, 2]
            assert new[RIGHT].tolist() == [x1 + 137, 70, 1]
        else:
            assert new[RIGHT].tolist() == [x2 - 10, 65, 2]
            assert new[LEFT].tolist() == [x2 - 137, 70, 1]
    assert ways == {True, False}


def test_only_what_both_label_is_labelled():
    partner = street((CAR, 60, 50, 90, 70))
    unboxed = pasted(street(boxes=False), partner)
    assert unboxed.boxes is None
    assert (unboxed.masks["segmentation"] == CAR).sum() == 600

    sample = street()
    sample.masks["lanes"] = np.zeros((120, 160), np.uint8)
    made = pasted(sample, partner)
    np.testing.assert_array_equal(made.masks["lanes"] == IGNORE, made.masks["segmentation"] == CAR)
    del sample.masks["segmentation"]
    made = pasted(sample, partner)
    assert "segmentation" not in made.masks
    assert (made.masks["lanes"] == IGNORE).sum() == 600
    assert made.boxes.class_ids.tolist() == [CAR]


def test_what_is_in_the_picture_is_no_longer_known():
    partner = dataclasses.replace(
        street((CAR, 60, 50, 90, 70)), attributes={"time": "night", "present": ("car",)}
    )
    empty = dataclasses.replace(street(), attributes={"time": "day", "present": ("sign",)})
    assert pasted(empty, partner).attributes == {"time": "day"}
    alike = dataclasses.replace(street(), attributes={"time": "day", "present": ("car",)})
    assert pasted(alike, partner).attributes == alike.attributes


def test_a_sign_brings_its_pole_and_poles_come_alone():
    partner = street((POLE, 78, 30, 82, 80), (SIGN, 70, 20, 90, 32))
    kinds = set()
    for seed in range(40):
        made = pasted(street(), partner, seed, [POLE])
        mask = made.masks["segmentation"]
        poles = (mask == POLE).sum(axis=0)
        assert set(poles[poles > 0]) == {48}
        signs = made.boxes.corners
        for left in signs[:, 0].astype(int):
            assert (poles[left + 8 : left + 12] == 48).all()
        kinds.add((len(signs), (poles > 0).sum() // 4))
    assert kinds == {(0, 1), (1, 1), (1, 2)}  # a pole alone, a sign on its pole, both
    without = pasted(street(ground=SKY), partner, 0)
    assert not (without.masks["segmentation"] == POLE).any()


def test_neither_sample_is_written_to():
    sample, partner = street((CAR, 10, 50, 40, 65)), street((CAR, 60, 50, 90, 70))
    before = [
        array.copy() for one in (sample, partner) for array in (one.image, *one.masks.values())
    ]
    assert pasted(sample, partner) is not sample
    after = [array for one in (sample, partner) for array in (one.image, *one.masks.values())]
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(was, now)


def test_rare_classes_are_taken_as_often_as_common_ones():
    cars = [(CAR, x, 50, x + 12, 70) for x in range(2, 120, 14)]
    partner = street(*cars, (SIGN, 140, 50, 152, 70))
    first = [pasted(street(), partner, seed).boxes.class_ids for seed in range(60)]
    alone = [ids[0] for ids in first if len(ids) == 1]
    assert 0.2 < np.mean(np.array(alone) == SIGN) < 0.8
