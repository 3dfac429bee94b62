"""Weather and night painted over a picture: what a small data set of fair days lacks.

Nothing is known of depths, so these are cheap impressions: a veil that thickens towards the
horizon, light that falls off towards the edges, things that fall in front of everything. They
change no geometry, so masks and boxes stay; a label of the whole scene that they contradict is
named, for the caller to leave out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.augmentation import Augmentation
from edge_mtl.data.chance import happens
from edge_mtl.data.photometry import noisy

Picture = NDArray[np.uint8]

_COARSE = 8
"""Smooth fields of light are made this many times smaller than the picture."""


def weathered(
    image: Picture, horizon: float, config: Augmentation, rng: np.random.Generator
) -> tuple[Picture, frozenset[str]]:
    """A picture (H, W, 3) in the weather that happens, and the attributes that no longer hold.

    horizon: its row in pixels, which may lie outside the picture.
    """
    contradicted: set[str] = set()
    for name, effect in _EFFECTS.items():
        if happens(getattr(config, name), rng):
            image = effect.paint(image, horizon, rng)
            contradicted.update(effect.contradicts)
    return image, frozenset(contradicted)


def _night(image: Picture, horizon: float, rng: np.random.Generator) -> Picture:
    """Dark and tinted but for the reach of headlights, with lamps and their halos, and noise."""
    height, width = image.shape[:2]
    level = min(1.0, rng.uniform(25.0, 55.0) / max(1.0, float(np.mean(cv2.mean(image)[:3]))))
    tint = np.array([rng.uniform(0.8, 1.25), 1.0, rng.uniform(0.85, 1.3)])
    rows, columns = _grid(image)
    # Headlights reach from the bonnet to a little below the horizon, and fade to the sides.
    depth = np.clip((rows - horizon) / max(1.0, height - horizon), 0.0, 1.0)
    beam = np.exp(-(((columns / width - 0.5) / 0.45) ** 2)) * np.sin(math.pi * depth**0.7)
    # No sky lights the street, and above the horizon hardly anything does.
    above = np.clip((horizon - rows) / (0.5 * height), 0.0, 1.0)
    reach = (1.0 - rng.uniform(0.3, 0.9) * above) * (1.0 + rng.uniform(0.0, 2.5) * beam)
    gain = level * reach[:, :, None] * tint
    image = _times(image, gain)
    lamps = np.zeros((rows.shape[0], columns.shape[1], 3), np.float32)
    for _ in range(rng.integers(2, 9)):
        colour, highest = _LAMPS[rng.integers(len(_LAMPS))]
        x, y = rng.uniform(0, width), horizon + rng.uniform(-highest, 0.12) * height
        radius = rng.uniform(0.01, 0.04) * height
        away = np.hypot(columns - x, rows - y) / radius
        lamps += (rng.uniform(0.4, 1.0) / (1.0 + away**2))[:, :, None] * np.array(colour)
    return noisy(_plus(image, lamps), rng.uniform(2.0, 9.0), rng)


def _fog(image: Picture, horizon: float, rng: np.random.Generator) -> Picture:
    """Haze `1 - exp(-density * depth)` over flat ground: depth grows as 1 / (row - horizon)."""
    height = image.shape[0]
    rows = np.arange(height) + 0.5
    below = np.maximum(rows - horizon, 0.0) / height
    thickest = rng.uniform(0.45, 0.9)
    veil = thickest * (1.0 - np.exp(-rng.uniform(0.06, 0.35) / np.maximum(below, 1e-3)))
    # What stands above the horizon is nearer than the horizon, most of all at the picture's top.
    above = np.maximum(horizon - rows, 0.0) / height
    veil *= 1.0 - 0.3 * np.minimum(above / 0.5, 1.0)
    colour = rng.uniform(150.0, 225.0) * np.array([rng.uniform(1.0, 1.06), 1.0, 0.99])
    kept = np.repeat(255.0 * (1.0 - veil)[:, None], 3, axis=1)
    hazy: Picture = cv2.multiply(image, _of_rows(kept, image), scale=1 / 255)
    return _added(hazy, _of_rows(veil[:, None] * colour, image))


def _glare(image: Picture, horizon: float, rng: np.random.Generator) -> Picture:
    """A low sun: a disc that blinds, a wide warm halo, and a veil over everything."""
    height, width = image.shape[:2]
    x, y = rng.uniform(0, width), horizon - rng.uniform(0.02, 0.4) * height
    rows, columns = _grid(image)
    away = np.hypot(columns - x, rows - y) / height
    light = rng.uniform(200, 500) * np.exp(-away / 0.04) + rng.uniform(60, 150) * np.exp(
        -away / 0.35
    )
    warm = np.array([rng.uniform(0.65, 0.95), rng.uniform(0.85, 0.98), 1.0])
    return _plus(image, (light + rng.uniform(5.0, 30.0))[:, :, None] * warm)


def _snow(image: Picture, horizon: float, rng: np.random.Generator) -> Picture:
    """Flakes, many small ones far away and a few large blurred ones near the lens."""
    height, width = image.shape[:2]
    flakes = np.zeros((height, width), np.uint8)
    count = rng.integers(200, 1500)
    far = rng.integers(60, 256, count)
    flakes[rng.integers(0, height, count), rng.integers(0, width, count)] = far
    flakes = cv2.multiply(cv2.GaussianBlur(flakes, (0, 0), rng.uniform(0.5, 0.9)), 2.5)
    near = np.zeros_like(flakes)
    for x, y, radius in rng.uniform((0, 0, 1), (width, height, 3.5), (rng.integers(15, 60), 3)):
        cv2.circle(near, (int(16 * x), int(16 * y)), int(16 * radius), (220,), -1, cv2.LINE_AA, 4)
    near = cv2.blur(near, (3, int(rng.integers(3, 8))))
    return _over(image, cv2.max(flakes, near), rng.uniform(200.0, 245.0))


def _rain(image: Picture, horizon: float, rng: np.random.Generator) -> Picture:
    """Paler, with streaks of falling rain and, on half of the pictures, drops on the glass."""
    height, width = image.shape[:2]
    fade = rng.uniform(0.6, 0.9)
    image = cv2.addWeighted(image, fade, image, 0.0, (1.0 - fade) * rng.uniform(90.0, 150.0))
    count = int(rng.integers(80, 300))
    length = rng.uniform(0.03, 0.12, count) * height
    slant = rng.uniform(-0.3, 0.3) + rng.uniform(-0.05, 0.05, count)
    start = rng.uniform((0, -0.1 * height), (width, height), (count, 2))
    ends = np.stack([start, start + length[:, None] * np.column_stack([slant, np.ones(count)])], 1)
    streaks = np.zeros((height, width), np.uint8)
    lines = list(np.rint(16.0 * ends).astype(np.int32))
    cv2.polylines(streaks, lines, False, (rng.uniform(40.0, 110.0),), 1, cv2.LINE_AA, 4)
    image = _over(image, cv2.blur(streaks, (1, 3)), rng.uniform(180.0, 235.0))
    return _drops(image, rng) if rng.random() < 0.5 else image


def _drops(image: Picture, rng: np.random.Generator) -> Picture:
    """Drops on the glass: each a small lens that shows the whole scene upside down."""
    height, width = image.shape[:2]
    scene = cv2.flip(cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA), -1)
    image = image.copy()
    side = min(height, width)
    for _ in range(rng.integers(5, 25)):
        radius = int(side * rng.uniform(0.008, 0.03)) + 1
        x, y = rng.integers(0, width - 2 * radius), rng.integers(0, height - 2 * radius)
        window = image[y : y + 2 * radius, x : x + 2 * radius]
        cover = cv2.resize(_DROP, (2 * radius, 2 * radius), interpolation=cv2.INTER_AREA)
        seen = cv2.resize(scene, (2 * radius, 2 * radius))
        window[:] = window + (seen.astype(np.float32) - window) * cover[:, :, None]
    return image


def _grid(image: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(h, 1) rows and (1, w) columns, in pixels, of the centres of a coarse field's cells."""
    height, width = image.shape[:2]
    rows, columns = -(-height // _COARSE), -(-width // _COARSE)
    y = (np.arange(rows, dtype=np.float32) + 0.5) * (height / rows)
    x = (np.arange(columns, dtype=np.float32) + 0.5) * (width / columns)
    return y[:, None], x[None]


def _of_rows(rows: NDArray[np.floating], image: Picture) -> Picture:
    """A picture as wide as `image` whose rows (H, 3) are of one value each."""
    made: Picture = cv2.repeat(rows.astype(np.uint8)[:, None], 1, image.shape[1])
    return made


def _times(image: Picture, gain: NDArray[np.floating]) -> Picture:
    """A picture times a coarse field (h, w, 3) of factors below 2."""
    coarse = np.clip(128.0 * gain, 0, 255).astype(np.uint8)
    field = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    made: Picture = cv2.multiply(image, field, dst=field, scale=1 / 128)
    return made


def _plus(image: Picture, light: NDArray[np.floating]) -> Picture:
    """A picture and a coarse field (h, w, 3) of light in grey levels."""
    coarse = np.clip(light, 0, 255).astype(np.uint8)
    field = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return _added(image, field)


def _over(image: Picture, cover: Picture, grey: float) -> Picture:
    """A picture behind something grey whose cover (H, W) goes from 0 to 255."""
    kept, shown = cv2.bitwise_not(cover), cv2.convertScaleAbs(cover, alpha=grey / 255.0)
    made: Picture = cv2.multiply(image, cv2.merge([kept] * 3), scale=1 / 255)
    return _added(made, cv2.merge([shown] * 3))


def _added(image: Picture, light: Picture) -> Picture:
    """Their sum, written over `light`: new memory costs more than adding does."""
    made: Picture = cv2.add(image, light, dst=light)
    return made


def _drop() -> NDArray[np.float32]:
    """How much of what is behind a drop it covers: round, with a soft edge."""
    steps = np.linspace(-1.0, 1.0, 32)
    away = np.hypot(steps[None], steps[:, None])
    return (0.85 * np.clip((1.0 - away) / 0.35, 0.0, 1.0)).astype(np.float32)


_DROP = _drop()
_LAMPS = (
    ((150, 215, 255), 0.45),
    ((235, 245, 255), 0.45),
    ((90, 170, 255), 0.45),
    ((60, 60, 255), 0.02),
)
"""B, G, R of warm, cold and sodium lamps and of tail lights, and how far above the horizon they
may be as part of the picture's height."""


class _Effect(NamedTuple):
    """paint: picture, row of the horizon, random numbers -> picture; contradicts: attributes."""

    paint: Callable[[Picture, float, np.random.Generator], Picture]
    contradicts: tuple[str, ...]


_HOUR = "time", "timeofday"
"""The names that data sets have for the attribute."""

# By field of `Augmentation`, from the light to what is in front of the lens.
_EFFECTS = {
    "night": _Effect(_night, _HOUR),
    "fog": _Effect(_fog, ("weather",)),
    "glare": _Effect(_glare, (*_HOUR, "weather")),
    "snow": _Effect(_snow, ("weather",)),
    "rain": _Effect(_rain, ("weather",)),
}
