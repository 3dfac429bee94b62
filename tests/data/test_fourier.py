import cv2
import numpy as np
import pytest

from edge_mtl.data.fourier import mix_amplitudes


def scene(seed, low, high, size=(224, 160)):
    rng = np.random.default_rng(seed)
    rough = rng.integers(low, high, (10, 14, 3)).astype(np.uint8)
    return cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC)


def fda(image, style, cycles, share):
    """The definition, over the whole spectrum of the whole picture."""
    own, other = (np.fft.fft2(one.astype(float), axes=(0, 1)) for one in (image, style))
    amplitude, reach = np.abs(own), np.arange(-cycles, cycles + 1)
    low = np.ix_(reach, reach)
    amplitude[low] += share * (np.abs(other[low]) - amplitude[low])
    mixed = np.fft.ifft2(amplitude * np.exp(1j * np.angle(own)), axes=(0, 1)).real
    return np.clip(mixed, 0, 255)


@pytest.mark.parametrize(("cycles", "share"), [(0, 1.0), (1, 0.5), (3, 0.6), (3, 1.0)])
def test_it_is_fda(cycles, share):
    image, style = scene(0, 60, 180), scene(1, 90, 220)
    made = mix_amplitudes(image, style, cycles, share)
    difference = np.abs(made - fda(image, style, cycles, share))
    assert difference.mean() < 1.0
    assert difference.max() < 5.0
    assert np.abs(made.astype(int) - image).mean() > 8.0


def test_no_share_changes_nothing_and_the_picture_itself_neither():
    image, style = scene(0, 60, 180), scene(1, 90, 220)
    np.testing.assert_array_equal(mix_amplitudes(image, style, 3, 0.0), image)
    np.testing.assert_array_equal(mix_amplitudes(image, image, 3, 1.0), image)


def test_a_style_of_another_size_gives_its_mean_colour():
    image, style = scene(0, 90, 180), np.full((31, 77, 3), (100, 120, 150), np.uint8)
    made = mix_amplitudes(image, style, 0, 1.0)
    np.testing.assert_allclose(made.mean(axis=(0, 1)), [100, 120, 150], atol=1.0)
    assert made.shape == image.shape
