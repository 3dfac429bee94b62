"""Lane markings, stop lines and crossings, painted on the texture of the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from edge_mtl.data.rendered.canvas import Code, Pixels
from edge_mtl.data.rendered.materials import grain, noise
from edge_mtl.data.rendered.section import Section

if TYPE_CHECKING:
    from edge_mtl.data.rendered.ground import Ground

Span = tuple[float, float]


class _Paint:
    """Collects white and yellow paint as masks over the texture."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.white = np.zeros(ground.codes.shape, np.uint8)
        self.yellow = np.zeros(ground.codes.shape, np.uint8)

    def bar(self, s: Span, d: Span, yellow: bool = False) -> None:
        (self.yellow if yellow else self.white)[self.ground.strip(s, d)] = 255

    def dashes(self, s: Span, at: float, width: float, on: float, off: float) -> None:
        start = s[0]
        while start < s[1]:
            self.bar((start, min(start + on, s[1])), (at - width / 2, at + width / 2))
            start += on + off

    def polygon(self, places: list[Span]) -> None:
        cells = np.array([self.ground.cells(s, d)[::-1] for s, d in places], np.int32)
        cv2.fillPoly(self.white, [cells], 255)


def paint_markings(
    rng: np.random.Generator, ground: Ground, section: Section, reach: float
) -> Pixels:
    """Paint a street's markings into `ground.colours`; returns their mask (H, W), 0 to 255."""
    paint = _Paint(ground)
    pieces = [(-50.0, 1000.0)]
    if section.junction is not None:
        middle, half = section.junction
        pieces = [(-50.0, middle - half - 1.0), (middle + half + 1.0, 1000.0)]
    width = rng.uniform(0.1, 0.15)
    on, off = ((2.0, 4.0), (3.0, 3.0), (4.0, 2.0), (3.0, 9.0))[rng.integers(4)]
    centre = rng.choice(("dashed", "solid", "double", "none"), p=(0.6, 0.17, 0.15, 0.08))
    edges = rng.choice(("none", "white", "yellow", "double yellow"), p=(0.3, 0.3, 0.15, 0.25))
    for piece in pieces:
        piece = piece[0], min(piece[1], reach + 140.0)
        if centre == "dashed":
            paint.dashes((max(piece[0], -6.0), piece[1]), 0.0, width, on, off)
        elif centre == "solid":
            paint.bar(piece, (-width / 2, width / 2), bool(rng.random() < 0.3))
        elif centre == "double":
            yellow = bool(rng.random() < 0.5)
            paint.bar(piece, (-0.1 - width, -0.1), yellow)
            paint.bar(piece, (0.1, 0.1 + width), yellow)
        for side in (-1, 1):
            for lane in range(1, section.lanes):
                at = side * lane * section.lane
                paint.dashes((max(piece[0], -5.0), piece[1]), at, width, on, off)
            edge = section.kerb(side) - 0.35
            if section.parking[side > 0]:
                at = side * section.lanes * section.lane
                paint.dashes((max(piece[0], -4.0), piece[1]), at, 0.1, 1.0, 1.0)
            elif edges == "white":
                paint.bar(piece, (side * edge, side * (edge + width)))
            elif edges != "none":
                paint.bar(piece, (side * edge, side * (edge + 0.09)), True)
                if edges == "double yellow":
                    paint.bar(piece, (side * (edge - 0.22), side * (edge - 0.13)), True)
    if section.junction is not None:
        middle, half = section.junction
        lanes = section.lanes * section.lane
        own = (0.0, section.hand * lanes)
        if rng.random() < 0.6:
            paint.bar((middle - half - 2.2, middle - half - 1.9), own)
            paint.bar((middle + half + 1.9, middle + half + 2.2), (0.0, -section.hand * lanes))
        for side in (-1, 1):
            at = side * section.kerb(side)
            for s in np.arange(middle - half, middle + half - 0.3, 0.9):
                paint.bar((s, s + 0.55), (at - 0.1, at + 0.1))
    if section.crossing is not None:
        _crossing(rng, paint, section, section.crossing)
    if rng.random() < 0.35:
        for _ in range(rng.integers(1, 4)):
            _arrow(paint, rng.uniform(8.0, reach + 40.0), section.ego)
    return _apply(rng, paint)


def _crossing(rng: np.random.Generator, paint: _Paint, section: Section, at: float) -> None:
    edges = -section.kerb(-1), section.kerb(1)
    for mask in (paint.white, paint.yellow):
        mask[paint.ground.strip((at - 3.5, at + 3.5), edges)] = 0
    if rng.random() < 0.65:
        for d in np.arange(edges[0] + 0.3, edges[1] - 0.3, 1.0):
            paint.bar((at - 1.5, at + 1.5), (d, d + 0.5))
    else:
        for s in (at - 1.6, at + 1.5):
            for d in np.arange(edges[0] + 0.2, edges[1] - 0.2, 0.6):
                paint.bar((s, s + 0.12), (d, d + 0.35))
    lanes = section.lanes * section.lane
    paint.bar((at - 3.2, at - 2.9), (0.0, section.hand * lanes))
    paint.bar((at + 2.9, at + 3.2), (0.0, -section.hand * lanes))


def _arrow(paint: _Paint, s: float, d: float) -> None:
    paint.bar((s, s + 2.6), (d - 0.08, d + 0.08))
    paint.polygon([(s + 2.6, d - 0.35), (s + 4.2, d), (s + 2.6, d + 0.35)])


def _apply(rng: np.random.Generator, paint: _Paint) -> Pixels:
    """Blend the paint into the ground, worn through to the asphalt in places."""
    ground = paint.ground
    fine, _ = grain()
    shape = ground.codes.shape
    road = (ground.codes == Code.ROAD) | (ground.codes == Code.OWN_ROAD)
    mask: Pixels = cv2.bitwise_and(cv2.max(paint.white, paint.yellow), road.astype(np.uint8) * 255)
    rows, columns = np.nonzero(mask)
    worn = noise(rng, (shape[0] // 8 + 1, shape[1] // 16 + 1), 20.0, 2)
    wear = rng.uniform(-0.2, 0.75)
    kept = (
        1.15 - wear - 0.25 * worn[rows // 8, columns // 16] - 0.3 * fine[rows % 512, columns % 512]
    )
    alpha = np.clip(kept, 0.12, 0.95)[:, None].astype(np.float32)
    yellow = paint.yellow[rows, columns] > 0
    bright = rng.uniform(185.0, 235.0)
    colours = np.where(
        yellow[:, None], (60.0, 0.72 * bright, 0.85 * bright, 0.0), (bright, bright, bright, 0.0)
    )
    below = ground.colours[rows, columns]
    ground.colours[rows, columns] = (alpha * colours + (1 - alpha) * below).astype(np.uint8)
    return mask
