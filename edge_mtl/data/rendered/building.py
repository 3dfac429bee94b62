"""Buildings along the street: a front, the gable towards the camera, a roof and chimneys.

Hedges and garden walls are the same thing with another texture and no roof.
"""

from dataclasses import dataclass
from math import hypot
from typing import ClassVar

import numpy as np

from edge_mtl.data.rendered.camera import NEAR_M, Camera, Points, Road
from edge_mtl.data.rendered.canvas import Canvas, Code, Colour, Surface

BACK_M = 9.0
"""How deep buildings are."""


def near_part(camera: Camera, a: Points, b: Points) -> tuple[float, float] | None:
    """Where a ground line from a to b (x, z) enters and leaves what is in front of the camera,
    as fractions of it; None where all of it is behind."""
    _, _, ahead = camera.axes
    limit = NEAR_M + 0.4
    za = (a[0] - camera.x) * ahead[0] + (a[1] - camera.z) * ahead[2]
    zb = (b[0] - camera.x) * ahead[0] + (b[1] - camera.z) * ahead[2]
    if za < limit and zb < limit:
        return None
    crossing = (limit - za) / (zb - za) if zb != za else 0.0
    return crossing if za < limit else 0.0, crossing if zb < limit else 1.0


@dataclass(frozen=True, slots=True)
class Wall:
    """A textured upright rectangle from ground place a to b (x, z), left to right as seen."""

    a: Points
    b: Points
    bottom: float
    top: float
    surface: Surface

    def paint(self, canvas: Canvas) -> bool:
        """Paint it; False where its front is not in sight."""
        camera = canvas.camera
        part = near_part(camera, self.a, self.b)
        if part is None:
            return False
        (ax, az), (bx, bz) = self.a.tolist(), self.b.tolist()
        dx, dz = bx - ax, bz - az
        bx, bz = ax + dx * part[1], az + dz * part[1]
        ax, az = ax + dx * part[0], az + dz * part[0]
        x0, y0, near = camera.spot(ax, self.top, az)
        x1, y1, far = camera.spot(bx, self.top, bz)
        if x1 - x0 < 0.5 or x1 < 0 or x0 > camera.width:
            return False
        x3, y3, _ = camera.spot(ax, self.bottom, az)
        x2, y2, _ = camera.spot(bx, self.bottom, bz)
        canvas.textured(((x0, y0), (x1, y1), (x2, y2), (x3, y3)), self.surface, part)
        canvas.wall_between(x0, x1, 1.0 / near, 1.0 / far)
        return True


@dataclass(frozen=True, slots=True)
class Roof:
    """A roof that slopes away from the street, as high as `rise` at `depth` behind the front."""

    rise: float
    depth: float
    colour: Colour
    chimneys: tuple[float, ...]


class Building:
    """A building from s0 to s1 at a signed distance d of the centre line.

    beside: how high the building in front of its gable is, in metres; 0 where there is none.
    """

    visible_m: ClassVar[float] = 170.0

    def __init__(
        self,
        road: Road,
        s: tuple[float, float],
        d: float,
        front: Surface,
        gable: Surface,
        height: float,
        roof: Roof | None,
        beside: float,
    ) -> None:
        side = 1.0 if d > 0 else -1.0
        ends = [np.array(road.point(at, d)) for at in s]
        back = [np.array(road.point(at, d + side * BACK_M)) for at in s]
        near, far = ends
        self.height = height
        left, right = (near, far) if side < 0 else (far, near)
        self._front = Wall(left, right, 0.0, height, front)
        self._gable = Wall(
            *((back[0], near) if side < 0 else (near, back[0])), min(beside, height), height, gable
        )
        self._roof = roof
        self._ends, self._back = ends, back

    @property
    def ends(self) -> tuple[Points, Points]:
        return self._ends[0], self._ends[1]

    def distance(self, camera: Camera) -> float:
        """Sorting key: the far end, so that what stands in front is painted later."""
        far = self._ends[1]
        return hypot(far[0] - camera.x, far[1] - camera.z)

    def paint(self, canvas: Canvas) -> None:
        front = self._front.paint(canvas)
        gable = self._gable.top > self._gable.bottom and self._gable.paint(canvas)
        far = hypot(self._ends[0][0] - canvas.camera.x, self._ends[0][1] - canvas.camera.z) > 95.0
        if self._roof is not None and not far and (front or gable):
            self._paint_roof(canvas, self._roof)

    def _paint_roof(self, canvas: Canvas, roof: Roof) -> None:
        camera = canvas.camera
        near, far = (end.tolist() for end in self._ends)
        share = roof.depth / BACK_M
        inner, outer = (
            (end + (behind - end) * share).tolist()
            for end, behind in zip(self._ends, self._back, strict=True)
        )
        low, top = self.height, self.height + roof.rise
        places = (
            (near[0], low, near[1]),
            (far[0], low, far[1]),
            (outer[0], top, outer[1]),
            (inner[0], top, inner[1]),
            (self._back[0][0], low, self._back[0][1]),
        )
        spots = [camera.spot(*place) for place in places]
        if min(spot[2] for spot in spots) < NEAR_M:
            canvas.quad(np.array(places[:4]), roof.colour, Code.FACADE)
            return
        flat = [spot[:2] for spot in spots]
        canvas.polygon(flat[:4], roof.colour, Code.FACADE)
        b, g, r = roof.colour
        canvas.polygon((flat[0], flat[3], flat[4]), (0.75 * b, 0.75 * g, 0.75 * r), Code.FACADE)
        if spots[0][2] > 60.0:
            return
        for at in roof.chimneys:
            first, last = (
                [p + (q - p) * share for p, q in zip(inner, outer, strict=True)]
                for share in (at, min(1.0, at + 0.12))
            )
            block = [
                camera.spot(x, y, z)[:2]
                for (x, z), y in (
                    (first, top - 0.4),
                    (first, top + 1.1),
                    (last, top + 1.1),
                    (last, top - 0.4),
                )
            ]
            canvas.polygon(block, (62.0, 78.0, 112.0), Code.FACADE)
