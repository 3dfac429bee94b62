import cv2
import numpy as np
import pytest

from edge_mtl.data.augmentation import Augmentation
from edge_mtl.data.weather import weathered

EFFECTS = ("night", "fog", "glare", "snow", "rain")


def street(seed=0, size=(160, 120)):
    rng = np.random.default_rng(seed)
    image = rng.integers(40, 200, (size[1] // 4, size[0] // 4, 3)).astype(np.uint8)
    return cv2.resize(image, size)


def with_effect(name, image, seed, horizon=50.0):
    return weathered(image, horizon, Augmentation(**{name: 1.0}), np.random.default_rng(seed))[0]


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("horizon", [50.0, -300.0, 0.0, 120.0, 900.0])
def test_any_picture_with_the_horizon_anywhere(name, horizon):
    for seed, size in enumerate([(160, 120), (97, 131), (448, 320)]):
        image = street(seed, size)
        before = image.copy()
        made = with_effect(name, image, seed, horizon)
        assert made.shape == image.shape
        assert made.dtype == np.uint8
        assert 3.0 < made.mean() < 252.0
        np.testing.assert_array_equal(image, before)
        np.testing.assert_array_equal(made, with_effect(name, image, seed, horizon))


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("size", [(32, 640), (640, 32)])
def test_pictures_of_any_shape(name, size):
    image = street(size=size)
    for seed in range(20):
        assert with_effect(name, image, seed).shape == image.shape


@pytest.mark.parametrize("name", EFFECTS)
def test_the_street_can_still_be_seen(name):
    """What the effect adds is not the whole picture: its shades go with those of the street."""
    image = street()
    shades = [
        np.corrcoef(image[60:].ravel(), with_effect(name, image, seed)[60:].ravel())[0, 1]
        for seed in range(20)
    ]
    assert np.median(shades) > 0.5


def test_nothing_that_cannot_happen_happens():
    image, rng = street(), np.random.default_rng(0)
    made, contradicted = weathered(image, 50.0, Augmentation(), rng)
    assert made is image
    assert contradicted == frozenset()
    assert rng.random() == np.random.default_rng(0).random()


def test_night_is_dark_even_at_night():
    bright, dark = np.full((120, 160, 3), 180, np.uint8), np.full((120, 160, 3), 6, np.uint8)
    for seed in range(20):
        assert with_effect("night", bright, seed).mean() < 110
        assert with_effect("night", dark, seed)[60:].mean() < 60


def test_fog_is_thickest_at_the_horizon():
    black = np.zeros((120, 160, 3), np.uint8)
    for seed in range(20):
        rows = with_effect("fog", black, seed).mean(axis=(1, 2))
        assert rows[49:51].max() >= rows.max() - 3
        assert rows[-1] < rows[60] < rows[50]
        assert (np.diff(rows[51:]) <= 1).all()


def test_glare_brightens_and_whitens_no_darkness():
    image = street()
    for seed in range(20):
        assert (with_effect("glare", image, seed) >= image).all()
