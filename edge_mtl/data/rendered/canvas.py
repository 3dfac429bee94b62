"""What the scene is painted on: colour and label in one array, so that both agree to the pixel.

The fourth channel of `Canvas.pixels` is a code that says what a pixel shows: below `FIRST_THING`
a kind of surface (`Code`, some of them in steps of depth), from there on one road user or sign.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from math import log2
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.camera import Camera, Points, clip_near

Pixels = NDArray[np.uint8]
Colour = tuple[float, float, float]

Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]

_STEPS = np.arange(8192, dtype=np.float32)
DEPTH_STEPS = 8
FIRST_THING, LAST_THING = 64, 255


class Code(IntEnum):
    """What a pixel shows. Markings are one more than the road that they lie on."""

    SKY = 0
    FAR_BUILDING = 1
    FAR_TREE = 2
    ROAD = 3
    ROAD_MARKING = 4
    OWN_ROAD = 5
    OWN_MARKING = 6
    PAVEMENT = 7
    VERGE = 8
    FACADE = 16
    LIT_WINDOW = 17
    HEDGE = 18
    TREE = 24
    POLE = 32
    FENCE = 40
    CLUTTER = 48

    def at(self, depth: float) -> int:
        """The code of this kind of thing at a depth in metres; 24 and up have depth steps."""
        return int(self) + min(DEPTH_STEPS - 1, max(0, int(depth_code(depth) / 32)))


def depth_code(depth: float) -> float:
    """Depth in metres on a scale from 0 (1 m) to 255 (250 m), logarithmic."""
    return min(255.0, max(0.0, 32.0 * log2(max(depth, 1.0))))


def fixed_point(points: Any) -> NDArray[np.int32]:
    """Image places (..., 2) in 1/16 pixels, counted from the middle of the first pixel."""
    scaled = np.asarray(points) * 16.0
    return (np.minimum(np.maximum(scaled, -64e3), 64e3) - 8.0).astype(np.int32)


@dataclass(slots=True)
class Thing:
    """A painted road user or sign: `area` and `box` of its own pixels before others cover it."""

    kind: str
    code: int
    depth: float
    area: int = 0
    box: tuple[int, int, int, int] = (0, 0, 0, 0)
    keypoints: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Glow:
    """A light source: place in the image, radius in pixels, colour, and the code painted there."""

    u: float
    v: float
    radius: float
    colour: Colour
    code: int


class Surface:
    """A texture (H, W, 4) with its smaller copies, made when they are first needed."""

    def __init__(self, pixels: Pixels) -> None:
        self._levels = {(0, 0): pixels}
        self.size = pixels.shape[1], pixels.shape[0]
        self.mean = pixels.reshape(-1, 4)[::7].mean(axis=0).tolist()
        self.mean[3] = float(pixels[0, 0, 3])

    def level(self, across: int, down: int) -> Pixels:
        """The texture, shrunk by 2**across and 2**down."""
        key = across, down
        if key not in self._levels:
            size = max(2, self.size[0] >> across), max(2, self.size[1] >> down)
            self._levels[key] = cv2.resize(self._levels[0, 0], size, interpolation=cv2.INTER_AREA)
        return self._levels[key]


@dataclass(slots=True)
class Canvas:
    """The frame being painted, from far to near."""

    camera: Camera
    sun: Points
    """Unit vector towards the sun, in the world."""
    sunlight: float
    """Strength of the sun against the sky's light: 0 where there are no shadows."""
    pixels: Pixels = field(init=False)
    things: list[Thing] = field(default_factory=list)
    glows: list[Glow] = field(default_factory=list)
    nearness: NDArray[np.float32] = field(init=False)
    """By column, the inverse of the depth in metres of the nearest facade."""
    front_light: float = field(init=False)
    """Brightness of an upright face towards the start of the road."""
    flank_light: float = field(init=False)
    """Brightness of an upright face on the sun's side."""
    sun_side: float = field(init=False)
    """1 where the sun stands to the right of the camera, else -1."""

    def __post_init__(self) -> None:
        shape = self.camera.height_px, self.camera.width
        self.pixels = np.zeros((*shape, 4), np.uint8)
        self.nearness = np.full(shape[1], 0.004, np.float32)
        self.sun_side = 1.0 if self.camera.axes[0] @ self.sun > 0 else -1.0
        upright = np.array([[0.0, 0.0, -1.0], [self.sun_side, 0.0, 0.0]])
        self.front_light, self.flank_light = self.shade(upright).tolist()

    def shade(self, normals: Points, lit: Points | float = 1.0) -> Points:
        """Brightness (N,) of faces with world normals (N, 3); `lit` is 0 in another's shadow."""
        sky = 0.72 + 0.28 * normals[:, 1]
        return sky * (1.0 - 0.35 * self.sunlight) + (
            0.68 * self.sunlight * lit * np.maximum(0.0, normals @ self.sun)
        )

    def fill(self, fixed: NDArray[np.int32], colour: Colour, code: int) -> None:
        """Fill a convex polygon (N, 2) given in 1/16 pixels, as `fixed_point` makes them."""
        cv2.fillConvexPoly(self.pixels, fixed, (*colour, code), cv2.LINE_8, 4)

    def polygon(self, points: Any, colour: Colour, code: int) -> None:
        """Fill a convex polygon, image places (N, 2)."""
        self.fill(fixed_point(points), colour, code)

    def shape(self, points: Points, colour: Colour, code: int) -> None:
        """Fill a polygon of any form, image places (N, 2)."""
        cv2.fillPoly(self.pixels, [fixed_point(points)], (*colour, code), cv2.LINE_8, 4)

    def disc(self, u: float, v: float, radius: float, colour: Colour, code: int) -> None:
        """Fill a circle."""
        centre = int(u * 16.0 - 8.0), int(v * 16.0 - 8.0)
        cv2.circle(
            self.pixels, centre, max(1, int(radius * 16)), (*colour, code), -1, cv2.LINE_8, 4
        )

    def line(self, a: Any, b: Any, width: float, colour: Colour, code: int) -> None:
        """A straight line of a width in pixels between two image places."""
        start = int(a[0] * 16.0 - 8.0), int(a[1] * 16.0 - 8.0)
        end = int(b[0] * 16.0 - 8.0), int(b[1] * 16.0 - 8.0)
        thickness = max(1, round(width))
        cv2.line(self.pixels, start, end, (*colour, code), thickness, cv2.LINE_8, 4)

    def ring(self, points: Points, width: float, colour: Colour, code: int) -> None:
        """The outline of a polygon (N, 2) in lines of a width in pixels."""
        thickness = max(1, round(width))
        fixed = [fixed_point(points)]
        cv2.polylines(self.pixels, fixed, True, (*colour, code), thickness, cv2.LINE_8, 4)

    def quad(self, world: Points, colour: Colour, code: int) -> bool:
        """Fill a flat convex polygon given in the world (N, 3); False if it is out of sight."""
        viewed = self.camera.view(world)
        if viewed[:, 2].min() < 0.35:
            viewed = clip_near(viewed)
            if len(viewed) < 3:
                return False
        self.polygon(self.camera.image(viewed), colour, code)
        return True

    def textured(self, corners: Corners, surface: Surface, span: tuple[float, float]) -> None:
        """Stretch a texture over a flat quadrilateral with upright sides.

        corners: image places of top left, top right, bottom right, bottom left.
        span: the part of the texture's width that is shown, between 0 and 1.
        """
        (x0, y0), (x1, y1), (_, y2), (_, y3) = corners
        height, width = self.pixels.shape[:2]
        left, right = max(0, int(x0) - 1), min(width, int(x1) + 2)
        top, bottom = max(0, int(min(y0, y1)) - 1), min(height, int(max(y2, y3)) + 2)
        if right <= left or bottom <= top:
            return
        if x1 - x0 < 6.0:
            b, g, r, code = surface.mean
            self.polygon(corners, (b, g, r), int(code))
            return
        across = 1.4 * surface.size[0] * (span[1] - span[0]) / max(x1 - x0, 1.0)
        down = 1.4 * surface.size[1] / max(y3 - y0, y2 - y1, 1.0)
        texture = surface.level(
            int(log2(min(max(across, 1.0), 32.0))), int(log2(min(max(down, 1.0), 32.0)))
        )
        rows, columns = texture.shape[:2]
        a, b = columns * span[0] - 0.5, columns * span[1] - 0.5
        source = np.array([(a, -0.5), (b, -0.5), (b, rows - 0.5), (a, rows - 0.5)], np.float32)
        target = np.array(corners, np.float32) - np.array((left + 0.5, top + 0.5), np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        size = right - left, bottom - top
        drawn = cv2.warpPerspective(
            texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mask = np.zeros((size[1], size[0]), np.uint8)
        fixed = (target * 16.0).astype(np.int32)
        cv2.fillConvexPoly(mask, fixed, 1, cv2.LINE_8, 4)
        cv2.copyTo(drawn, mask, self.pixels[top:bottom, left:right])

    def wall_between(self, x0: float, x1: float, near0: float, near1: float) -> None:
        """Note the depths of a wall from column x0 to x1, given as inverses at both ends."""
        low, high = max(0, int(x0)), min(len(self.nearness), int(x1) + 1)
        if high > low:
            slope = (near1 - near0) / max(x1 - x0, 1.0)
            self.nearness[low:high] = _STEPS[: high - low] * slope + (near0 + slope * (low - x0))

    def begin(self, kind: str, depth: float) -> Thing | None:
        """A new thing to paint with its own code; None when all codes are used."""
        code = FIRST_THING + len(self.things)
        if code > LAST_THING:
            return None
        thing = Thing(kind, code, depth)
        self.things.append(thing)
        return thing

    def finish(self, thing: Thing, low: Any, high: Any) -> None:
        """Measure a thing just painted, all of it between two image places."""
        height, width = self.pixels.shape[:2]
        left, top = max(0, int(low[0]) - 2), max(0, int(low[1]) - 2)
        right, bottom = min(width, int(high[0]) + 3), min(height, int(high[1]) + 3)
        if right <= left or bottom <= top:
            return
        code = cv2.extractChannel(self.pixels[top:bottom, left:right], 3)
        mask = cv2.compare(code, thing.code, cv2.CMP_EQ)
        thing.area = cv2.countNonZero(mask)
        if thing.area:
            x, y, w, h = cv2.boundingRect(mask)
            thing.box = left + x, top + y, left + x + w, top + y + h
