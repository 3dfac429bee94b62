"""Joint augmentation: one random geometry for image and labels, then random light, lens and codec.

The network is trained on few streets and one camera and must work behind other windscreens. So the
geometry is mild (a dash-cam stands upright and looks ahead) and the photometry strong: cameras,
weather, hours and codecs differ far more than streets do.
"""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist
from typing import Annotated, cast

import cv2
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge_mtl.data.sample import Sample
from edge_mtl.data.warp import Matrix, fill_outside, warp
from edge_mtl.spec import Fraction

PAD = 114
"""The grey around a letterboxed picture; the default of `InputSpec.pad`."""

Positive = Annotated[float, Meta(gt=0.0)]

_LUMA = np.array([0.114, 0.587, 0.299])  # of B, G, R (ITU-R BT.601)
_GREY_AXIS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3.0)
_NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 256.0) for i in range(256)])


class Augmentation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How strongly samples are varied. Probabilities are per sample; 0 turns a variation off."""

    scale: tuple[Positive, Positive] = (0.6, 1.6)
    """Smallest and largest size of the image relative to its letterbox fit, log-uniform. The part
    shown, or the place in the padding, is uniform."""
    rotate_deg: Annotated[float, Meta(ge=0.0, le=45.0)] = 2.0
    """Largest rotation either way: how crooked a camera is mounted, how a car rolls."""
    flip: Fraction = 0.5
    """Probability of mirroring: also turns left-hand traffic into right-hand traffic."""

    brightness: Fraction = 0.35
    """Largest change of exposure: all values times a factor within [1/(1+b), 1+b]."""
    contrast: tuple[Positive, Positive] = (0.6, 1.2)
    """Smallest and largest factor of contrast about the picture's mean, log-uniform: haze, glare.
    About mid-grey instead, a dark picture would turn black."""
    gamma: tuple[Positive, Positive] = (0.45, 1.3)
    """Smallest and largest exponent of the tone curve, log-uniform; below 1 brightens. This and
    contrast lean away from black because CamVid's streets are darker than most dash-cams'."""
    colour_cast: Fraction = 0.12
    """Largest change of each channel's gain, within [1/(1+c), 1+c]: white balance, tinted glass."""
    saturation: Fraction = 0.6
    """Largest change of saturation either way, as part of the picture's own."""
    hue_deg: Annotated[float, Meta(ge=0.0, le=180.0)] = 12.0
    """Largest rotation of colours about the grey axis."""
    grey: Fraction = 0.05
    """Probability of no colour at all: night-vision cameras, and shapes learned without colour."""

    shadow: Fraction = 0.2
    """Probability of a cast shadow: a random triangle at 0.4 to 0.8 of its light."""
    blur: Fraction = 0.2
    """Probability of a Gaussian blur of 0.4 to 1.6 px: cheap lenses, rain on the glass."""
    noise: Fraction = 0.2
    """Probability of Gaussian sensor noise of 2 to 12 grey levels."""
    jpeg: Fraction = 0.2
    """Probability of JPEG compression at quality 25 to 80: what streams and recorders leave."""

    def __post_init__(self) -> None:
        for name in ("scale", "contrast", "gamma"):
            smallest, largest = getattr(self, name)
            if smallest > largest:
                raise ValueError(
                    f"{name} must be (smallest, largest), found ({smallest}, {largest}): swap them"
                )


def augment(
    sample: Sample,
    size: tuple[int, int],
    config: Augmentation,
    rng: np.random.Generator,
    pad: int = PAD,
) -> Sample:
    """A random variant of a sample, exactly `size` (width, height) large.

    The same state of `rng` gives the same variant. Labels follow the geometry as `warp` describes;
    `pad` is the grey around the picture, which stays as it is at run time: exactly that.
    """
    source_size = sample.image.shape[1], sample.image.shape[0]
    matrix = _random_matrix(source_size, size, config, rng)
    warped = warp(sample, matrix, size)
    image = _rephotographed(warped.image, float(np.mean(cv2.mean(sample.image)[:3])), config, rng)
    fill_outside(image, source_size, matrix, pad)
    return dataclasses.replace(warped, image=image)


def _random_matrix(
    source_size: tuple[int, int],
    size: tuple[int, int],
    config: Augmentation,
    rng: np.random.Generator,
) -> Matrix:
    fit = min(size[0] / source_size[0], size[1] / source_size[1])
    scale = fit * _log_uniform(config.scale, rng)
    angle = math.radians(rng.uniform(-config.rotate_deg, config.rotate_deg))
    mirror = -1.0 if rng.random() < config.flip else 1.0
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[mirror * cos, -sin], [mirror * sin, cos]])
    source, target = np.array(source_size, np.float64), np.array(size, np.float64)
    # The scaled picture's centre: anywhere between its edges meeting the target's on either side.
    play = np.abs(target - scale * source)
    centre = target / 2 + play * rng.uniform(-0.5, 0.5, 2)
    return np.column_stack([linear, centre - linear @ (source / 2)])


def _rephotographed(
    image: NDArray[np.uint8], mean: float, config: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The same scene in other light, through another lens, sensor and codec, in that order.

    mean: of the picture without its padding.
    """
    if rng.random() < config.shadow:
        image = _shadowed(image, rng)
    image = _recoloured(image, mean, config, rng)
    if rng.random() < config.blur:
        image = _uint8(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)))
    if rng.random() < config.noise:
        image = _noisy(image, rng.uniform(2.0, 12.0), rng)
    if rng.random() < config.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 81))]
        image = _uint8(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR))
    return image


def _shadowed(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    light = np.full((height, width), 255, np.uint8)
    triangle = (rng.uniform(-0.2, 1.2, (3, 2)) * (width, height)).astype(np.int32)
    cv2.fillConvexPoly(light, triangle, (255.0 * rng.uniform(0.4, 0.8),))
    return _uint8(cv2.multiply(image, cv2.merge([light, light, light]), scale=1.0 / 255.0))


def _recoloured(
    image: NDArray[np.uint8], mean: float, config: Augmentation, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Hue and saturation as one matrix over the channels, everything else as a table each."""
    brightness, saturation, hue = rng.uniform(-1.0, 1.0, 3)
    gains = (1.0 + config.colour_cast) ** rng.uniform(-1.0, 1.0, 3)
    saturation = 1.0 + config.saturation * saturation
    if rng.random() < config.grey:
        saturation = 0.0
    angle = math.radians(config.hue_deg * hue)
    # Rodrigues' rotation about the grey axis, then towards or away from grey.
    turn = np.eye(3) + math.sin(angle) * _GREY_AXIS
    turn += (1.0 - math.cos(angle)) * (_GREY_AXIS @ _GREY_AXIS)
    mix = saturation * np.eye(3) + (1.0 - saturation) * np.tile(_LUMA, (3, 1))
    if not np.allclose(mix @ turn, np.eye(3)):
        image = _uint8(cv2.transform(image, mix @ turn))

    exponent = _log_uniform(config.gamma, rng)
    pivot = (mean / 255.0) ** exponent
    tone = np.linspace(0.0, 1.0, 256) ** exponent
    tone = (tone - pivot) * _log_uniform(config.contrast, rng) + pivot
    tone *= (1.0 + config.brightness) ** brightness
    table = np.clip(np.rint(255.0 * tone[:, None] * gains), 0, 255).astype(np.uint8)
    return _uint8(cv2.LUT(image, table[None]))


def _noisy(image: NDArray[np.uint8], sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    # Random bytes through tables of the normal distribution, its upper half added and its lower
    # half taken away: ten times faster than Generator.normal, and as fine as 8-bit values can show.
    raw = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    noise = np.rint(sigma * _NORMAL)
    brighter = cv2.LUT(raw, np.maximum(noise, 0.0).astype(np.uint8))
    darker = cv2.LUT(raw, np.maximum(-noise, 0.0).astype(np.uint8))
    return _uint8(cv2.subtract(cv2.add(image, brighter, dst=brighter), darker, dst=brighter))


def _log_uniform(limits: tuple[float, float], rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))


def _uint8(image: object) -> NDArray[np.uint8]:
    """OpenCV's type hints do not follow the type of its arguments; 8-bit in is 8-bit out here."""
    return cast("NDArray[np.uint8]", image)
