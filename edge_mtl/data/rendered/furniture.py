"""What stands along a street: lamps, posts, railings, bins."""

from dataclasses import dataclass
from math import hypot
from typing import ClassVar

import numpy as np

from edge_mtl.data.rendered.building import near_part
from edge_mtl.data.rendered.camera import Camera, Points
from edge_mtl.data.rendered.canvas import Canvas, Code, Colour, Glow
from edge_mtl.data.rendered.upright import Upright

STEEL: Colour = (96.0, 98.0, 98.0)


def lit(colour: Colour, light: float) -> Colour:
    b, g, r = colour
    return min(255.0, b * light), min(255.0, g * light), min(255.0, r * light)


@dataclass(frozen=True, slots=True)
class Mast(Upright):
    """An upright of a height and width in metres, with an arm reaching `arm` (x, z) from its top.

    glow: colour of the lamp at the arm's end, None where it is off.
    """

    visible_m: ClassVar[float] = 105.0

    height: float
    width: float
    arm: tuple[float, float]
    colour: Colour
    glow: Colour | None

    def paint(self, canvas: Canvas) -> None:
        camera = canvas.camera
        x0, y0, depth = camera.spot(self.x, 0.0, self.z)
        x1, y1, above = camera.spot(self.x, self.height, self.z)
        if depth < 1.0 or above < 1.0:
            return
        code = Code.POLE.at(depth)
        wide = max(1.2, self.width * camera.focal / depth)
        half, slim = wide / 2, wide * 0.3
        dark = lit(self.colour, canvas.front_light)
        outline = ((x0 - half, y0), (x1 - slim, y1), (x1 + slim, y1), (x0 + half, y0))
        canvas.polygon(outline, dark, code)
        bright = lit(self.colour, canvas.flank_light)
        if wide > 3.0:
            low, top = x0 + half * 0.4 * canvas.sun_side, x1 + slim * 0.4 * canvas.sun_side
            stripe = (
                (low - half * 0.3, y0),
                (top - slim * 0.3, y1),
                (top + slim * 0.3, y1),
                (low + half * 0.3, y0),
            )
            canvas.polygon(stripe, bright, code)
        if any(self.arm):
            x2, y2, depth = camera.spot(
                self.x + self.arm[0], self.height + 0.25, self.z + self.arm[1]
            )
            if depth < 1.0:
                return
            canvas.line((x1, y1), (x2, y2), wide * 0.55, dark, code)
            tip = x2 + (x2 - x1) * 0.25, y2 + (y2 - y1) * 0.25
            canvas.line((x2, y2), tip, wide * 0.9, bright, code)
            if self.glow is not None:
                canvas.glows.append(Glow(x2, y2, 0.2 * camera.focal / depth, self.glow, code))


@dataclass(frozen=True, slots=True)
class Railing:
    """A see-through fence from ground place a to b (x, z): posts, rails and bars."""

    visible_m: ClassVar[float] = 75.0

    a: Points
    b: Points
    height: float
    colour: Colour
    boards: bool

    @property
    def ends(self) -> tuple[Points, Points]:
        return self.a, self.b

    def distance(self, camera: Camera) -> float:
        return float(max(np.hypot(p[0] - camera.x, p[1] - camera.z) for p in (self.a, self.b)))

    def paint(self, canvas: Canvas) -> None:
        camera = canvas.camera
        part = near_part(camera, self.a, self.b)
        if part is None:
            return
        a, b = (self.a + (self.b - self.a) * share for share in part)
        length = hypot(*(b - a))
        _, _, depth = camera.spot((a[0] + b[0]) / 2, 0.0, (a[1] + b[1]) / 2)
        code = Code.FENCE.at(depth)
        colour = lit(self.colour, canvas.front_light)

        def band(low: float, high: float, tone: float) -> None:
            quad = np.array(
                [[a[0], high, a[1]], [b[0], high, b[1]], [b[0], low, b[1]], [a[0], low, a[1]]]
            )
            canvas.quad(quad, (colour[0] * tone, colour[1] * tone, colour[2] * tone), code)

        if self.boards:
            band(0.0, self.height, 1.0)
            band(self.height - 0.08, self.height, 1.25)
        else:
            band(self.height - 0.07, self.height, 1.0)
            band(0.12, 0.17, 0.9)
        spacing = 0.15 if not self.boards else 0.25
        count = min(160, max(2, int(length / max(spacing, depth * 0.004))))
        at = np.linspace(0.0, 1.0, count)[:, None]
        feet = a + (b - a) * at
        world = np.zeros((2 * count, 3))
        world[:, [0, 2]] = np.vstack([feet, feet])
        world[count:, 1] = self.height
        viewed = camera.view(world)
        if viewed[:, 2].min() < 0.3:
            return
        flat = camera.image(viewed)
        wide = max(1.0, 0.02 * camera.focal / depth)
        tone = 0.75 if self.boards else 0.95
        bar = (colour[0] * tone, colour[1] * tone, colour[2] * tone)
        for low, high in zip(flat[:count], flat[count:], strict=True):
            canvas.line(low, high, wide, bar, code)


@dataclass(frozen=True, slots=True)
class Block(Upright):
    """A box on the ground: a bin, a cabinet, a planter, a bollard; sizes in metres."""

    visible_m: ClassVar[float] = 60.0

    size: tuple[float, float, float]
    colour: Colour
    code: Code

    def paint(self, canvas: Canvas) -> None:
        camera = canvas.camera
        half, high, deep = self.size[0] / 2, self.size[1], self.size[2]
        _, _, depth = camera.spot(self.x, 0.0, self.z)
        code = self.code.at(depth)

        def face(corners: tuple[tuple[float, float, float], ...], light: float) -> None:
            spots = [camera.spot(self.x + x, y, self.z + z) for x, y, z in corners]
            if min(spot[2] for spot in spots) > 1.0:
                outline = [spot[:2] for spot in spots]
                canvas.polygon(outline, lit(self.colour, light), code)

        side = half if self.x < camera.x else -half
        flank = canvas.flank_light if side * canvas.sun_side > 0 else 0.8 * canvas.front_light
        face(((side, 0.0, 0.0), (side, high, 0.0), (side, high, deep), (side, 0.0, deep)), flank)
        face(((-half, high, 0.0), (half, high, 0.0), (half, high, deep), (-half, high, deep)), 1.1)
        face(
            ((-half, 0.0, 0.0), (half, 0.0, 0.0), (half, high, 0.0), (-half, high, 0.0)),
            canvas.front_light,
        )
