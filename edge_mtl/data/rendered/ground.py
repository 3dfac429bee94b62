"""The ground: asphalt, kerbs, pavement, grass and markings, seen in perspective.

A clip's ground is one texture over the road's own coordinates (s, d). It is kept in four levels
that shrink along the road much faster than across it, as perspective does, and each band of
image rows samples the level that fits its depth. Labels are sampled from the same maps.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.camera import Road
from edge_mtl.data.rendered.canvas import Canvas, Code, Pixels
from edge_mtl.data.rendered.look import Look
from edge_mtl.data.rendered.marking import paint_markings
from edge_mtl.data.rendered.materials import grain, masonry, noise
from edge_mtl.data.rendered.section import Section

ACROSS, ALONG = 0.03, 0.06
"""Metres of a texel of the finest level, across and along the road."""
HALF_WIDTH = 19.0
BEHIND, AHEAD = 4.0, 125.0
"""Metres of ground before the place where the clip begins and beyond where it ends."""
LEVELS = ((9.0, 1, 1), (20.0, 1, 4), (50.0, 2, 16), (1e9, 4, 64))
"""Up to which depth in metres a level is used, and how far it is shrunk across and along."""
POOL = 0.25
"""Metres of a texel of the map of the street lamps' light."""


@dataclass(frozen=True, slots=True)
class Shade:
    """Shadows that do not move, on the ground: polygons (N, 2) of (s, d), and how dark."""

    polygons: list[NDArray[np.float64]]
    strength: float


class Ground:
    """The ground of one clip: painted once, then seen from any camera."""

    def __init__(
        self,
        rng: np.random.Generator,
        section: Section,
        look: Look,
        reach: float,
        shade: Shade,
        lamps: NDArray[np.float64],
    ) -> None:
        rows = int((BEHIND + reach + AHEAD) / ALONG)
        self._shape = rows, int(2 * HALF_WIDTH / ACROSS)
        self.codes = np.full(self._shape, Code.VERGE, np.uint8)
        self.colours = np.empty((*self._shape, 4), np.uint8)
        self._lay(rng, section, look)
        marked = paint_markings(rng, self, section, reach)
        self._weather(rng, look)
        self._darken(shade)
        self._levels = self._shrunk(marked)
        self.pools = _pools(lamps, reach)

    def cells(self, s: float, d: float) -> tuple[int, int]:
        """Row and column of a place on the road, clipped to the texture."""
        row = min(self._shape[0], max(0, round((s + BEHIND) / ALONG)))
        return row, min(self._shape[1], max(0, round((d + HALF_WIDTH) / ACROSS)))

    def strip(self, s: tuple[float, float], d: tuple[float, float]) -> tuple[slice, slice]:
        """The texels of a rectangle on the road."""
        top, left = self.cells(min(s), min(d))
        bottom, right = self.cells(max(s), max(d))
        return slice(top, bottom), slice(left, right)

    def _fill(self, area: tuple[slice, slice], tile: Pixels, code: Code) -> None:
        target = self.colours[area]
        high, wide = tile.shape[:2]
        for top in range(0, target.shape[0], high):
            for left in range(0, target.shape[1], wide):
                block = target[top : top + high, left : left + wide]
                block[:] = tile[: block.shape[0], : block.shape[1]]
        self.codes[area] = code

    def _lay(self, rng: np.random.Generator, section: Section, look: Look) -> None:
        fine, blotches = grain()
        grey = rng.uniform(72.0, 118.0) * (0.72 if look.wet else 1.0)
        tone = np.array((1.0 + rng.uniform(-0.02, 0.05), 1.0, 1.0 - rng.uniform(-0.02, 0.04)))
        coarse = rng.uniform(0.05, 0.11)
        asphalt = _tile(grey * tone, 1.0 + coarse * fine + 0.03 * blotches)
        worn = _tile(grey * rng.uniform(1.05, 1.3) * tone, 1.0 + 0.08 * fine + 0.05 * blotches)
        slab = rng.uniform(95.0, 160.0) * (0.75 if look.wet else 1.0)
        paving = masonry(rng, (512, 512), (int(rng.choice((8, 10, 15))), 20), 0.045, 0.8)
        if rng.random() < 0.3:
            paving = np.ones_like(paving)
        stone = _tile(slab * np.array((0.93, 0.98, 1.0)), paving + 0.04 * fine + 0.03 * blotches)
        green = np.array((rng.uniform(42, 62), rng.uniform(85, 112), rng.uniform(72, 100)))
        grass = _tile(green, 1.0 + 0.22 * fine + 0.12 * blotches)
        kerb = _tile(np.array((150.0, 155.0, 158.0)) * rng.uniform(0.75, 1.1), 1.0 + 0.06 * fine)
        everywhere = (-1e6, 1e6)
        hard_front = section.kind == "high street" or rng.random() < 0.4
        for side in (-1, 1):
            inner, outer = section.walk(side)
            edge = section.kerb(side)
            beyond = (stone, Code.PAVEMENT) if hard_front else (grass, Code.VERGE)
            self._fill(self.strip(everywhere, (side * edge, side * inner)), grass, Code.VERGE)
            self._fill(self.strip(everywhere, (side * outer, side * 30)), *beyond)
            self._fill(self.strip(everywhere, (side * inner, side * outer)), stone, Code.PAVEMENT)
            self._fill(
                self.strip(everywhere, (side * edge, side * (edge + 0.15))), kerb, Code.PAVEMENT
            )
            bay = worn if rng.random() < 0.5 else asphalt
            lanes = section.lanes * section.lane
            self._fill(self.strip(everywhere, (side * lanes, side * edge)), bay, Code.ROAD)
            code = Code.OWN_ROAD if side == section.hand else Code.ROAD
            self._fill(self.strip(everywhere, (0.0, side * lanes)), asphalt, code)
            gutter = self.colours[self.strip(everywhere, (side * (edge - 0.25), side * edge))]
            cv2.multiply(gutter, (0.82, 0.82, 0.82, 1.0), dst=gutter)
        if section.junction is not None:
            middle, half = section.junction
            for side in (-1, 1):
                outer = section.lanes * section.lane
                mouth = (middle - half - 1.5, middle + half + 1.5)
                span = (side * outer, side * (section.kerb(side) + 1.2))
                self._fill(self.strip(mouth, span), asphalt, Code.ROAD)
                self._fill(
                    self.strip((middle - half, middle + half), (side * outer, side * 30.0)),
                    asphalt,
                    Code.ROAD,
                )
        self._wear(rng, section)

    def _wear(self, rng: np.random.Generator, section: Section) -> None:
        """Wheel tracks, patches of newer asphalt, seams, cracks, manholes."""
        everywhere = (-1e6, 1e6)
        for lane in range(-section.lanes, section.lanes):
            middle = (lane + 0.5) * section.lane
            for offset, factor in ((-0.8, 1.05), (0.8, 1.05), (0.0, 0.94)):
                at = middle + offset + rng.uniform(-0.1, 0.1)
                track = self.colours[self.strip(everywhere, (at - 0.28, at + 0.28))]
                bias = factor + rng.uniform(-0.03, 0.03)
                cv2.multiply(track, (bias, bias, bias, 1.0), dst=track)
        length = self._shape[0] * ALONG
        width = section.lanes * section.lane
        for _ in range(rng.integers(0, max(2, int(length / 12)))):
            s, d = rng.uniform(0.0, length), rng.uniform(-width, width)
            size = rng.uniform(0.6, 9.0), rng.uniform(0.4, 2.2)
            patch = self.colours[self.strip((s, s + size[0]), (d, min(width, d + size[1])))]
            factor = rng.choice((0.72, 0.85, 1.12))
            if patch.size:
                cv2.multiply(patch, (factor, factor, factor, 1.0), dst=patch)
        for _ in range(rng.integers(0, max(2, int(length / 8)))):
            s, d = rng.uniform(-3.0, length), rng.uniform(-width, width)
            steps = rng.normal((0.2, 0.0), (0.25, 0.12), (rng.integers(6, 30), 2))
            path = np.array((s, d)) + np.cumsum(steps, axis=0)
            cells = np.array([self.cells(a, b)[::-1] for a, b in path], np.int32)
            cv2.polylines(self.colours, [cells], False, (42, 42, 44, 0), 1, cv2.LINE_AA)
        for _ in range(rng.integers(0, max(2, int(length / 25)))):
            row, column = self.cells(rng.uniform(3.0, length), rng.uniform(-width, width))
            axes = int(0.33 / ACROSS), int(0.33 / ALONG)
            shade = rng.uniform(40.0, 75.0)
            cv2.ellipse(self.colours, (column, row), axes, 0, 0, 360, (shade, shade, shade, 0), -1)

    def _weather(self, rng: np.random.Generator, look: Look) -> None:
        """Unevenness of some metres: dirt, damp, light."""
        rows, columns = self._shape
        small = rows // 8, columns // 16
        uneven = 1.0 + 0.055 * noise(rng, small, 24.0, 3) + 0.03 * noise(rng, small, 5.0)
        factor = np.clip(uneven * 128.0, 0, 255).astype(np.uint8)
        factor = cv2.resize(factor, (columns, rows), interpolation=cv2.INTER_LINEAR)
        cv2.multiply(self.colours, cv2.merge([factor] * 4), dst=self.colours, scale=1 / 128)

    def _darken(self, shade: Shade) -> None:
        if not shade.polygons:
            return
        mask = np.zeros((self._shape[0] // 2, self._shape[1] // 4), np.uint8)
        for polygon in shade.polygons:
            rows = (polygon[:, 0] + BEHIND) / (ALONG * 2)
            columns = (polygon[:, 1] + HALF_WIDTH) / (ACROSS * 4)
            cells = np.clip(np.stack([columns, rows], axis=1), -9000, 9000).astype(np.int32)
            cv2.fillPoly(mask, [cells], round(255 * shade.strength), cv2.LINE_AA)
        mask = 255 - cv2.blur(mask, (3, 3))
        full = cv2.resize(mask, self._shape[::-1], interpolation=cv2.INTER_LINEAR)
        cv2.multiply(self.colours, cv2.merge([full] * 4), dst=self.colours, scale=1 / 255)

    def _shrunk(self, marked: Pixels) -> list[tuple[Pixels, Pixels]]:
        """Colours and codes of all levels; far markings are widened to two pixels."""
        levels = []
        colours, codes, share = self.colours, self.codes, marked
        for depth, across, along in LEVELS:
            size = self._shape[1] // across, self._shape[0] // along
            if along > 1:
                colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
                codes = cv2.resize(self.codes, size, interpolation=cv2.INTER_NEAREST)
                share = cv2.resize(share, size, interpolation=cv2.INTER_AREA)
            lanes = (share > (96 if along == 1 else 70)).astype(np.uint8)
            if depth > 20.0:
                lanes = cv2.dilate(lanes, np.ones((1, 3), np.uint8))
            road = (codes == Code.ROAD) | (codes == Code.OWN_ROAD)
            levels.append((colours, codes + (lanes & road)))
        return levels

    def paint(
        self, canvas: Canvas, road: Road
    ) -> tuple[int, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Paint the ground; returns its first row and `Camera.ground` of it."""
        camera = canvas.camera
        first = max(0, int(camera.horizon) + 2)
        s, d, depth = camera.ground(first, road)
        far_to_near = list(zip(LEVELS, self._levels, strict=True))[::-1]
        start = 0
        for index, ((_, across, along), (colours, codes)) in enumerate(far_to_near):
            closest = far_to_near[index + 1][0][0] if index + 1 < len(LEVELS) else 0.0
            end = int(np.searchsorted(-depth, -closest)) if closest else len(depth)
            if end <= start:
                continue
            rows = (s[start:end] + np.float32(BEHIND)) * np.float32(1 / (ALONG * along)) - 0.5
            columns = (d[start:end] + np.float32(HALF_WIDTH)) * np.float32(
                1 / (ACROSS * across)
            ) - 0.5
            target = canvas.pixels[first + start : first + end]
            cv2.remap(
                colours,
                columns,
                rows,
                cv2.INTER_LINEAR,
                dst=target,
                borderMode=cv2.BORDER_REPLICATE,
            )
            sampled = cv2.remap(
                codes, columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
            )
            cv2.insertChannel(sampled, target, 3)
            start = end
        return first, s, d, depth

    def lamplight(self, s: NDArray[np.float32], d: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Street lamps' light at places on the road, 0 to 255."""
        rows = (s + np.float32(BEHIND)) * np.float32(1 / POOL)
        columns = (d + np.float32(HALF_WIDTH)) * np.float32(1 / POOL)
        light: Pixels = cv2.remap(
            self.pools, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return light


def _tile(colour: NDArray[np.float64], brightness: NDArray[np.float32]) -> Pixels:
    shades = [np.clip(brightness * np.float32(c), 0, 255).astype(np.uint8) for c in (*colour, 0.0)]
    return np.asarray(cv2.merge(shades), np.uint8)


def _pools(lamps: NDArray[np.float64], reach: float) -> Pixels:
    """The light of street lamps (N, 2) at (s, d) on the ground."""
    s = np.arange(int((BEHIND + reach + AHEAD) / POOL)) * POOL - BEHIND
    d = np.arange(int(2 * HALF_WIDTH / POOL)) * POOL - HALF_WIDTH
    light = np.zeros((len(s), len(d)), np.float32)
    for at_s, at_d in lamps:
        square = (s[:, None] - at_s) ** 2 + (d[None, :] - at_d) ** 2
        light += (1.0 / (1.0 + square / 30.0) ** 1.5).astype(np.float32)
    return np.asarray(np.clip(light * 200.0, 0, 255), np.uint8)
