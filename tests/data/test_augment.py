import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_mtl.config import convert_config
from edge_mtl.data.augment import PAD, Augmentation, augment
from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.errors import UsageError
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import KEYPOINTS, SegmentationTask

LEFT, RIGHT = KEYPOINTS.index("left_eye"), KEYPOINTS.index("right_eye")


def marked(x, y, width, height, size=(160, 120)):
    """A white block on black, with mask 1, a mask of its halves (1 left, 2 right), a box and eyes.

    The eyes lie 4 px inside the block's left and right sides at half its height.
    """
    image = np.zeros((size[1], size[0], 3), np.uint8)
    mask, halves = np.zeros(image.shape[:2], np.uint8), np.zeros(image.shape[:2], np.uint8)
    block = slice(y, y + height), slice(x, x + width)
    image[block], mask[block] = 255, 1
    halves[block] = 1
    halves[y : y + height, x + width // 2 : x + width] = 2
    keypoints = np.zeros((1, len(KEYPOINTS), 3), np.float32)
    keypoints[0, LEFT] = x + 4, y + height / 2, 2
    keypoints[0, RIGHT] = x + width - 4, y + height / 2, 1
    boxes = Boxes(np.array([[x, y, x + width, y + height]], np.float32), np.array([3]), keypoints)
    return Sample(image, "marked", {"segmentation": mask, "halves": halves}, boxes)


def street(seed=0, size=(160, 120)):
    """A sample with some texture in it, so that every photometric change shows."""
    made = marked(40, 30, 50, 40, size)
    rng = np.random.default_rng(seed)
    image = rng.integers(30, 200, (size[1], size[0], 3)).astype(np.uint8)
    return Sample(image, "street", made.masks, made.boxes)


def dusk(sample):
    """The sample at a third of its light."""
    return dataclasses.replace(sample, image=sample.image // 3)


def never():
    raise AssertionError("no partner is needed")


@settings(max_examples=150, deadline=None)
@given(
    x=st.integers(0, 120),
    y=st.integers(0, 80),
    width=st.integers(20, 40),
    height=st.integers(20, 40),
    size=st.sampled_from([(160, 120), (192, 96), (97, 131), (320, 256)]),
    seed=st.integers(0, 2**32),
)
def test_image_masks_box_and_keypoints_stay_together(still, x, y, width, height, size, seed):
    moved = msgspec.structs.replace(still, scale=(0.6, 1.6), rotate_deg=20.0, flip=0.5)
    made = augment(marked(x, y, width, height), size, moved, np.random.default_rng(seed))
    image, mask = made.image[:, :, 0].astype(int), made.masks["segmentation"]
    assert made.image.shape == (size[1], size[0], 3)
    assert mask.shape == (size[1], size[0])

    # Where the image is pure, all the pixels it was made from are, and the nearest is one of them.
    assert (mask[image == 255] == 1).all()
    assert (mask[image == 0] == 0).all()
    np.testing.assert_array_equal(mask == IGNORE, made.masks["halves"] == IGNORE)
    np.testing.assert_array_equal(mask == 1, np.isin(made.masks["halves"], (1, 2)))

    ys, xs = np.nonzero(mask == 1)
    if len(made.boxes.corners) == 0:
        # Dropped: what is left is less than 36 px, or than 30 % of its hull when largest.
        largest = 1.6 * min(size[0] / 160, size[1] / 120)
        hull_area = (width + 0.35 * height) * (height + 0.35 * width) * largest**2
        assert len(xs) < max(36, 0.3 * hull_area) + 30
        return
    assert made.boxes.class_ids.tolist() == [3]
    x1, y1, x2, y2 = made.boxes.corners[0]
    hull = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    assert (hull[:2] >= [x1 - 1, y1 - 1]).all()
    assert (hull[2:] <= [x2 + 1, y2 + 1]).all()
    if x1 > 0 and y1 > 0 and x2 < size[0] and y2 < size[1]:
        # Nothing was cut: the box is as tight as the pixels of the region.
        np.testing.assert_allclose(made.boxes.corners[0], hull, atol=1.5)

    eyes = made.boxes.keypoints[0]
    flipped = eyes[LEFT, 2] == 1 or eyes[RIGHT, 2] == 2
    for eye, half in ((LEFT, 1), (RIGHT, 2)):
        px, py, visibility = eyes[eye]
        if visibility:
            assert made.masks["halves"][int(py), int(px)] == (3 - half if flipped else half)
    assert not np.delete(eyes, [LEFT, RIGHT], axis=0).any()


@settings(max_examples=30, deadline=None)
@given(
    x=st.integers(0, 120),
    width=st.integers(20, 40),
    size=st.sampled_from([(160, 120), (161, 97)]),
)
def test_flipping_twice_changes_nothing(still, x, width, size):
    flip = msgspec.structs.replace(still, flip=1.0)
    rng = np.random.default_rng(0)
    first = marked(x, 30, width, 30, size)
    once = augment(first, size, flip, rng)
    np.testing.assert_array_equal(once.image, first.image[:, ::-1])
    twice = augment(once, size, flip, rng)
    np.testing.assert_array_equal(twice.image, first.image)
    for name, mask in first.masks.items():
        np.testing.assert_array_equal(twice.masks[name], mask)
    np.testing.assert_allclose(twice.boxes.corners, first.boxes.corners, atol=1e-3)
    np.testing.assert_allclose(twice.boxes.keypoints, first.boxes.keypoints, atol=1e-3)


def test_nothing_turned_on_changes_nothing(still):
    sample = street()
    made = augment(sample, (160, 120), still, np.random.default_rng(0))
    np.testing.assert_array_equal(made.image, sample.image)
    np.testing.assert_array_equal(made.masks["halves"], sample.masks["halves"])
    np.testing.assert_array_equal(made.boxes.corners, sample.boxes.corners)


@pytest.mark.parametrize(
    "change",
    [
        {"brightness": 0.5},
        {"contrast": (0.5, 0.6)},
        {"gamma": (0.5, 0.6)},
        {"colour_cast": 0.3},
        {"saturation": 0.8},
        {"hue_deg": 40.0},
        {"grey": 1.0},
        {"shadow": 1.0},
        {"motion_blur": 1.0},
        {"blur": 1.0},
        {"noise": 1.0},
        {"jpeg": 1.0},
        *({name: 1.0} for name in ("night", "fog", "glare", "snow", "rain", "fourier")),
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_photometric_change_shows_in_the_image_alone(still, change):
    sample = street()
    config = msgspec.structs.replace(still, **change)
    rng = np.random.default_rng(5)
    made = augment(sample, (160, 120), config, rng, partner=lambda: dusk(street(1)))
    assert np.abs(made.image.astype(int) - sample.image).mean() > 1.0
    np.testing.assert_array_equal(made.masks["halves"], sample.masks["halves"])
    np.testing.assert_array_equal(made.boxes.corners, sample.boxes.corners)
    if "grey" in change:
        assert np.ptp(made.image.astype(int), axis=2).max() <= 1


def test_noise_has_the_spread_that_it_says(still):
    flat = Sample(np.full((200, 300, 3), 128, np.uint8), "flat")
    config = msgspec.structs.replace(still, noise=1.0)
    spreads = []
    for seed in range(40):
        noise = (
            augment(flat, (300, 200), config, np.random.default_rng(seed)).image.astype(int) - 128
        )
        assert abs(noise.mean()) < 0.2
        spreads.append(noise.std())
    assert 1.8 < min(spreads) < 4
    assert 9 < max(spreads) < 12.3


def test_a_dark_picture_does_not_turn_black(still):
    dark = Sample(np.random.default_rng(0).integers(15, 60, (120, 160, 3)).astype(np.uint8), "dark")
    rng = np.random.default_rng(0)
    config = msgspec.structs.replace(still, brightness=0.35, contrast=(0.6, 1.2), gamma=(0.45, 1.3))
    for _ in range(50):
        assert (augment(dark, (160, 120), config, rng).image < 2).mean() < 0.25


def test_the_same_generator_gives_the_same_variant():
    sample, config = street(), Augmentation(shadow=1, blur=1, noise=1, jpeg=1)
    first, again = (augment(sample, (128, 96), config, np.random.default_rng(3)) for _ in range(2))
    other = augment(sample, (128, 96), config, np.random.default_rng(4))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.boxes.corners, again.boxes.corners)
    assert not np.array_equal(first.image, other.image)


def test_the_padding_is_what_the_network_meets_at_run_time():
    config = Augmentation(scale=(0.5, 0.6), shadow=1, blur=1, noise=1, jpeg=1)
    made = augment(street(), (160, 128), config, np.random.default_rng(1))
    outside = made.masks["segmentation"] == IGNORE
    assert outside.mean() > 0.5
    assert (made.image[outside] == PAD).all()
    assert (made.image[~outside] != PAD).any(axis=1).mean() > 0.9


def test_partners_are_taken_only_where_they_are_needed(still):
    sample, counts = street(), {"mosaic": 3, "copy_paste": 1, "fourier": 1}
    for name, count in counts.items():
        calls = []
        config = msgspec.structs.replace(still, **{name: 1.0})

        def partner(calls=calls):
            calls.append(1)
            return street(1)

        augment(sample, (96, 64), config, np.random.default_rng(0), partner=partner)
        assert len(calls) == count
    alone = augment(sample, (96, 64), Augmentation(), np.random.default_rng(0))
    beside = augment(sample, (96, 64), Augmentation(), np.random.default_rng(0), partner=never)
    np.testing.assert_array_equal(alone.image, beside.image)


def test_no_partner_where_one_is_needed_is_an_error():
    with pytest.raises(ValueError, match="give a partner"):
        augment(street(), (96, 64), Augmentation(mosaic=0.1), np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(8))
def test_everything_at_once_is_repeatable_and_keeps_the_padding(seed):
    names = ("mosaic", "copy_paste", "fourier", "night", "fog", "glare", "snow", "rain")
    config = Augmentation(scale=(0.7, 1.2), motion_blur=1, **dict.fromkeys(names, 0.5))

    def variant():
        rng = np.random.default_rng(seed)
        sizes = [(160, 120), (200, 90), (64, 64)]
        return augment(
            street(),
            (128, 96),
            config,
            rng,
            7,
            partner=lambda: street(int(rng.integers(9)), sizes[rng.integers(3)]),
        )

    first, again = variant(), variant()
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.boxes.corners, again.boxes.corners)
    assert first.image.shape == (96, 128, 3)
    outside = first.masks["segmentation"] == IGNORE
    np.testing.assert_array_equal(outside, first.masks["halves"] == IGNORE)
    assert (first.image[outside] == 7).all()


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"rain": 1.0}, {"time": "day", "scene": "city"}),
        ({"night": 1.0}, {"weather": "clear", "scene": "city"}),
        ({"glare": 1.0}, {"scene": "city"}),
        ({"noise": 1.0}, {"time": "day", "weather": "clear", "scene": "city"}),
    ],
)
def test_weather_takes_away_the_attributes_that_it_contradicts(still, change, left):
    attributes = {"time": "day", "weather": "clear", "scene": "city"}
    fair = dataclasses.replace(street(), attributes=attributes)
    config = msgspec.structs.replace(still, **change)
    assert augment(fair, (96, 64), config, np.random.default_rng(0)).attributes == left


def test_thin_things_are_pasted_where_the_spec_names_them(still):
    post = np.zeros((120, 160), np.uint8)
    post[20:80, 70:76] = 1
    image = np.repeat(post[:, :, None] * 200, 3, axis=2)
    other = Sample(image, "post", {"segmentation": post})
    bare = Sample(np.zeros_like(image), "bare", {"segmentation": np.zeros_like(post)})
    config = msgspec.structs.replace(still, copy_paste=1.0, copy_paste_thin=("post",))
    task = SegmentationTask(name="segmentation", classes=("ground", "post"))
    size = InputSpec(width=160, height=96)
    spec = ModelSpec(name="m", input=size, backbone="b", tasks=(task,))
    for told, pixels in ((spec, 360), (None, 0)):
        rng = np.random.default_rng(0)
        made = augment(bare, (160, 120), config, rng, partner=lambda: other, spec=told)
        assert (made.masks["segmentation"] == 1).sum() == pixels


def test_a_sample_without_labels_is_augmented_too():
    bare = Sample(street().image, "bare", attributes={"time": "day"})
    made = augment(bare, (64, 64), Augmentation(), np.random.default_rng(0))
    assert made.image.shape == (64, 64, 3)
    assert made.masks == {}
    assert made.boxes is None
    assert made.attributes == {"time": "day"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"fliip": 0.5}, "unknown key 'fliip'; did you mean 'flip'"),
        ({"flip": 1.5}, "<= 1.0"),
        ({"scale": [1.6, 0.6]}, r"scale must be \(smallest, largest\)"),
        ({"gamma": [0.0, 1.0]}, "> 0"),
    ],
)
def test_a_wrong_config_is_a_usage_error(data, message):
    with pytest.raises(UsageError, match=message):
        convert_config(data, Augmentation, "train.toml")
