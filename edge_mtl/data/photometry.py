"""Light, lens, sensor and codec: the same scene in another photograph.

The labels stay, so blur, noise and compression also teach denoising: what the network answers to
the damaged picture is measured against the labels of the clean one.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.augmentation import Augmentation
from edge_mtl.data.chance import happens, log_uniform

_LUMA = np.array([0.114, 0.587, 0.299])  # of B, G, R (ITU-R BT.601)
_GREY_AXIS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3.0)
_NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 256.0) for i in range(256)])


def relit(
    image: NDArray[np.uint8], mean: float, config: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The scene (H, W, 3) in other light, seen by a camera of other colours.

    mean: of the picture without its padding, over its channels.
    """
    if happens(config.shadow, rng):
        image = _shadowed(image, rng)
    return _recoloured(image, mean, config, rng)


def recorded(
    image: NDArray[np.uint8], config: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The scene (H, W, 3) through another lens, sensor and codec, in that order."""
    if happens(config.motion_blur, rng):
        image = _shaken(image, rng)
    if happens(config.blur, rng):
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    if happens(config.noise, rng):
        image = noisy(image, rng.uniform(2.0, 12.0), rng)
    if happens(config.jpeg, rng):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 81))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return image


def noisy(image: NDArray[np.uint8], sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with Gaussian noise of `sigma` grey levels in every value."""
    # Random bytes through tables of the normal distribution, its upper half added and its lower
    # half taken away: ten times faster than Generator.normal, and as fine as 8-bit values can show.
    raw = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    noise = np.rint(sigma * _NORMAL)
    brighter = cv2.LUT(raw, np.maximum(noise, 0.0).astype(np.uint8))
    darker = cv2.LUT(raw, np.maximum(-noise, 0.0).astype(np.uint8))
    made: NDArray[np.uint8] = cv2.subtract(cv2.add(image, brighter, dst=brighter), darker)
    return made


def _shadowed(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    light = np.full((height, width), 255, np.uint8)
    triangle = (rng.uniform(-0.2, 1.2, (3, 2)) * (width, height)).astype(np.int32)
    cv2.fillConvexPoly(light, triangle, (255.0 * rng.uniform(0.4, 0.8),))
    made: NDArray[np.uint8] = cv2.multiply(image, cv2.merge([light] * 3), scale=1.0 / 255.0)
    return made


def _recoloured(
    image: NDArray[np.uint8], mean: float, config: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Hue and saturation as one matrix over the channels, everything else as a table each."""
    brightness, saturation, hue = rng.uniform(-1.0, 1.0, 3)
    gains = (1.0 + config.colour_cast) ** rng.uniform(-1.0, 1.0, 3)
    saturation = 1.0 + config.saturation * saturation
    if happens(config.grey, rng):
        saturation = 0.0
    angle = math.radians(config.hue_deg * hue)
    # Rodrigues' rotation about the grey axis, then towards or away from grey.
    turn = np.eye(3) + math.sin(angle) * _GREY_AXIS
    turn += (1.0 - math.cos(angle)) * (_GREY_AXIS @ _GREY_AXIS)
    mix = saturation * np.eye(3) + (1.0 - saturation) * np.tile(_LUMA, (3, 1))
    if not np.allclose(mix @ turn, np.eye(3)):
        image = cv2.transform(image, mix @ turn)

    exponent = log_uniform(config.gamma, rng)
    pivot = (mean / 255.0) ** exponent
    tone = np.linspace(0.0, 1.0, 256) ** exponent
    tone = (tone - pivot) * log_uniform(config.contrast, rng) + pivot
    tone *= (1.0 + config.brightness) ** brightness
    table = np.clip(np.rint(255.0 * tone[:, None] * gains), 0, 255).astype(np.uint8)
    made: NDArray[np.uint8] = cv2.LUT(image, table[None])
    return made


def _shaken(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Averaged along a line through every pixel, so that things stay where their labels are."""
    angle, length = rng.uniform(0.0, math.pi), rng.uniform(3.0, 9.0)
    reach = length / 2.0 * np.array([math.cos(angle), math.sin(angle)])
    middle = 4.0
    # Coordinates in sixteenths of a pixel, for a line of any angle and length.
    start, end = (tuple(np.rint(16 * (middle + way * reach)).astype(int)) for way in (-1, 1))
    kernel = np.zeros((9, 9), np.uint8)
    cv2.line(kernel, start, end, (255,), 1, cv2.LINE_AA, 4)
    weights = kernel.astype(np.float32) / float(kernel.sum())
    made: NDArray[np.uint8] = cv2.filter2D(image, -1, weights, borderType=cv2.BORDER_REPLICATE)
    return made
