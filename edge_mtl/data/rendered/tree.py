"""Trees: sprites of foliage or bare branches, blended into the picture."""

from dataclasses import dataclass
from math import cos, log2, pi, sin
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.canvas import Canvas, Code, Pixels
from edge_mtl.data.rendered.materials import noise
from edge_mtl.data.rendered.upright import Upright

SPRITE = 384
"""Sprites are this many pixels high and wide; the trunk's foot is at the middle of the bottom."""


class Sprite:
    """Colours times their coverage, the coverage, and what counts as tree, in smaller copies."""

    def __init__(self, colours: NDArray[np.float32], cover: NDArray[np.float32], grow: int) -> None:
        alpha = np.clip(cover, 0.0, 1.0)
        pixels = np.dstack([colours * alpha[..., None], 255.0 * alpha]).clip(0, 255)
        self._levels = [pixels.astype(np.uint8)]
        rows, columns = np.nonzero(alpha > 0.0)
        # What of the square is used: from the foot to both sides, and upwards, in its sizes.
        self.half_width = float(np.abs(columns - (SPRITE - 1) / 2).max() + 1) / SPRITE
        self.height = 1.0 - float(rows.min()) / SPRITE
        label = (alpha > 0.35).astype(np.uint8) * 255
        if grow:
            label = cv2.morphologyEx(label, cv2.MORPH_CLOSE, np.ones((grow, grow), np.uint8))
        self._labels = [label]
        for _ in range(5):
            half = self._levels[-1].shape[0] // 2
            self._levels.append(
                cv2.resize(self._levels[-1], (half, half), interpolation=cv2.INTER_AREA)
            )
            label = cv2.resize(label, (half, half), interpolation=cv2.INTER_AREA)
            self._labels.append(label)
        self._labels = [(label > 127).astype(np.uint8) for label in self._labels]

    def level(self, size: float) -> tuple[Pixels, Pixels]:
        """Colours with coverage, and label (0 or 1), in the copy that fits a height in pixels."""
        index = min(5, max(0, int(log2(max(1.0, 1.2 * SPRITE / max(size, 1.0))))))
        return self._levels[index], self._labels[index]


def leafy(rng: np.random.Generator, tall: float) -> Sprite:
    """A broad-leaved tree in leaf; `tall` is the crown's height against its width."""
    n = SPRITE
    wide, middle, high = min(0.44, 0.4 / tall) * n, 0.42 * n, 0.36 * n
    count = 46
    radius, angle = np.sqrt(rng.random(count)), rng.uniform(0, 2 * pi, count)
    x = n / 2 + wide * 0.82 * radius * np.cos(angle)
    y = middle + high * 0.85 * radius * np.sin(angle)
    field, light = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    for i in np.argsort(-y):
        size = int(n * rng.uniform(0.045, 0.1))
        cv2.circle(field, (int(x[i]), int(y[i])), size, 1.0, -1)
        tone = 0.62 + 0.4 * (middle - y[i]) / high + rng.normal(0, 0.08)
        cv2.circle(light, (int(x[i]), int(y[i])), size, tone * 0.7, -1)
        shift = int(size * 0.3)
        cv2.circle(light, (int(x[i]) - shift, int(y[i]) - shift), int(size * 0.7), tone, -1)
    leaves = noise(rng, (n, n), 5.0, 2)
    soft = cv2.blur(field, (19, 19))
    ragged = soft + 0.16 * leaves + 0.12 * noise(rng, (n, n), 24.0)
    cover = np.clip((ragged - 0.45) * 6.0, 0.0, 1.0) * np.clip((soft - 0.12) * 8.0, 0.0, 1.0)
    light = cv2.blur(light, (9, 9)) / np.maximum(cv2.blur(field, (9, 9)), 0.15)
    light = np.clip(light, 0.3, 1.3) * (1.0 + 0.42 * leaves)
    green = np.array((rng.uniform(34, 58), rng.uniform(80, 112), rng.uniform(62, 104)))
    crown = np.clip(light, 0.12, 1.7)[..., None] * green.astype(np.float32)
    colours, trunk = _blank()
    bark = np.array((52.0, 60.0, 70.0)) * rng.uniform(0.7, 1.1)
    colours[:] = bark
    cv2.line(trunk, (n // 2, n), (n // 2, n // 2), 1.0, max(6, n // 34))
    for lean in rng.uniform(-0.5, 0.5, 4):
        cv2.line(trunk, (n // 2, int(0.72 * n)), (int(n / 2 + lean * wide), n // 3), 0.9, 4)
    colours += (crown - colours) * cover[..., None]
    return Sprite(colours, np.maximum(cover, trunk), 0)


def bare(rng: np.random.Generator) -> Sprite:
    """A broad-leaved tree in winter."""
    colours, cover = _blank()
    colours[:] = np.array((56.0, 64.0, 72.0)) * rng.uniform(0.55, 1.0)

    twigs: list[tuple[int, int]] = []

    def branch(x: float, y: float, angle: float, length: float, width: float) -> None:
        angle = min(max(angle, -0.2), pi + 0.2)
        end = x + length * cos(angle), y - length * sin(angle)
        places = (int(x * 8), int(y * 8)), (int(end[0] * 8), int(end[1] * 8))
        weight = 1.0 if width >= 1.0 else 0.75
        cv2.line(cover, *places, weight, max(1, round(width)), cv2.LINE_AA, 3)
        if length < 12.0:
            twigs.append((int(end[0]), int(end[1])))
            return
        for _ in range(3 if length > 16 else 2):
            branch(
                end[0],
                end[1],
                angle + rng.normal(0.0, 0.5),
                length * rng.uniform(0.6, 0.84),
                width * 0.62,
            )

    branch(SPRITE / 2, SPRITE, pi / 2, SPRITE * 0.22, SPRITE / 34)
    haze = np.zeros_like(cover)
    for place in twigs:
        cv2.circle(haze, place, int(rng.integers(5, 11)), 1.0, -1)
    broken = rng.random(cover.shape, dtype=np.float32) * rng.uniform(0.35, 0.75)
    haze = cv2.blur(haze, (13, 13)) * cv2.GaussianBlur(broken, (3, 3), 0)
    y, x = np.mgrid[0:SPRITE, 0:SPRITE].astype(np.float32) / SPRITE
    away = np.hypot(x - 0.5, np.minimum(y - 0.5, 0.0)) + 0.03 * noise(rng, cover.shape, 40.0, 2)
    edge = np.clip(9.0 * (0.47 - away), 0.0, 1.0)
    colours *= (1.0 + 0.1 * noise(rng, cover.shape, 6.0))[..., None]
    return Sprite(colours, np.maximum(cover, haze * edge) * np.minimum(1.0, 4.0 * edge), 9)


def conifer(rng: np.random.Generator) -> Sprite:
    """A fir or cypress: a ragged cone of branches in tiers, lit from the left."""
    colours, trunk = _blank()
    n = SPRITE
    slim, tiers = rng.uniform(0.14, 0.3), rng.integers(7, 15)
    y, x = np.mgrid[0:n, 0:n].astype(np.float32) / n
    down = (y - 0.04) / 0.9
    tier = (down * tiers) % 1.0
    half = slim * np.clip(down, 0.0, 1.0) ** 0.8 * (0.82 + 0.22 * tier)
    aside = x - 0.5
    needles = noise(rng, (n, n), 4.0, 2)
    ragged = (half - np.abs(aside)) / 0.022 + 0.8 * needles + 0.5 * noise(rng, (n, n), 14.0)
    inside = (down > 0.0) & (down < 1.0)
    cover = np.where(inside, np.clip(ragged, 0.0, 1.0), 0.0).astype(np.float32)
    light = 0.62 + 0.3 * tier - 0.28 * aside / slim + 0.36 * needles
    green = np.array((40.0, 62.0, 46.0), np.float32) * rng.uniform(0.7, 1.2)
    colours[:] = (48.0, 54.0, 62.0)
    cv2.line(trunk, (n // 2, n), (n // 2, n // 2), 1.0, max(5, n // 48))
    needled = np.clip(light, 0.2, 1.5)[..., None] * green
    colours += (needled - colours) * cover[..., None]
    return Sprite(colours, np.maximum(cover, trunk), 0)


def _blank() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.zeros((SPRITE, SPRITE, 3), np.float32), np.zeros((SPRITE, SPRITE), np.float32)


@dataclass(frozen=True, slots=True)
class Tree(Upright):
    """A tree at a world place, `height` metres high."""

    visible_m: ClassVar[float] = 125.0

    height: float
    sprite: Sprite
    mirrored: bool
    light: float

    def paint(self, canvas: Canvas) -> None:
        camera = canvas.camera
        u, v, depth = camera.spot(self.x, 0.0, self.z)
        if depth < 2.0:
            return
        foot = u, v
        size = self.height * camera.focal / depth
        height, width = canvas.pixels.shape[:2]
        aside = size * self.sprite.half_width
        left = max(0, int(foot[0] - aside))
        top = max(0, int(foot[1] - size * self.sprite.height))
        right = min(width, int(foot[0] + aside) + 1)
        bottom = min(height, int(foot[1]) + 1)
        if right <= left or bottom <= top:
            return
        pixels, label = self.sprite.level(size)
        scale = pixels.shape[0] / size
        flip = -1.0 if self.mirrored else 1.0
        x0 = (left + 0.5 - foot[0]) * scale * flip + pixels.shape[0] / 2 - 0.5
        y0 = (top + 0.5 - foot[1]) * scale + pixels.shape[0] - 0.5
        back = np.array([[scale * flip, 0.0, x0], [0.0, scale, y0]])
        shape = right - left, bottom - top
        flags = cv2.WARP_INVERSE_MAP
        drawn = cv2.warpAffine(pixels, back, shape, flags=flags | cv2.INTER_LINEAR)
        marked = cv2.warpAffine(label, back, shape, flags=flags | cv2.INTER_NEAREST)
        region = canvas.pixels[top:bottom, left:right]
        clear = cv2.bitwise_not(cv2.extractChannel(drawn, 3))
        if self.light != 1.0:
            cv2.multiply(drawn, (self.light,) * 4, dst=drawn)
        codes = cv2.extractChannel(region, 3)
        is_tree = marked.view(np.bool_)
        # Twigs before the sky keep its light: what is seen there is mostly sky.
        against_sky = is_tree & (clear > 165) & (codes <= Code.FAR_TREE)
        np.copyto(codes, Code.TREE.at(depth), where=is_tree)
        np.copyto(codes, int(Code.FAR_TREE), where=against_sky)
        blended = cv2.add(cv2.multiply(region, cv2.merge([clear] * 4), scale=1 / 255), drawn)
        cv2.insertChannel(codes, blended, 3)
        region[:] = blended
