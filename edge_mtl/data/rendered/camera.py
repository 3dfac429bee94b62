"""A pin-hole camera over a flat ground, and the road that it drives on.

World axes: x to the right, y up, z ahead, in metres; the road starts at the origin towards +z.
Image axes: u to the right, v down, in pixels; pixel i covers [i, i + 1).
"""

from dataclasses import dataclass
from functools import cached_property
from math import cos, sin

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
NEAR_M = 0.35
"""Nothing closer to the image plane than this is drawn."""


@dataclass(frozen=True, slots=True)
class Road:
    """A road whose centre line is a circular arc: `curvature` in 1/m, positive to the right.

    Places on it are (s, d): metres along the centre line, metres to the right of it.
    """

    curvature: float

    def heading(self, s: float) -> float:
        """Direction of the road at s: radians to the right of +z."""
        return self.curvature * s

    def world(self, s: Points, d: Points) -> tuple[Points, Points]:
        """World x and z of places on the road; arrays that broadcast."""
        if self.curvature == 0.0:
            return np.asarray(d, np.float64) + 0 * s, np.asarray(s, np.float64) + 0 * d
        radius = 1.0 / self.curvature
        angle = self.curvature * s
        return radius - (radius - d) * np.cos(angle), (radius - d) * np.sin(angle)

    def point(self, s: float, d: float) -> tuple[float, float]:
        """World x and z of one place on the road."""
        if self.curvature == 0.0:
            return d, s
        radius, angle = 1.0 / self.curvature, self.curvature * s
        return radius - (radius - d) * cos(angle), (radius - d) * sin(angle)

    def place(
        self, x: NDArray[np.float32], z: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The (s, d) of world places: the inverse of `world`, float32 for the ground's maps."""
        if self.curvature == 0.0:
            return z, x
        radius = np.float32(1.0 / self.curvature)
        sign = np.float32(np.sign(self.curvature))
        across, along = sign * (radius - x), sign * z
        s = np.arctan2(along, across) * np.float32(1.0 / self.curvature)
        d = radius - sign * np.sqrt(across * across + along * along)
        return s, d


@dataclass(frozen=True)
class Camera:
    """Where the camera is and what it sees.

    x, z, height: position in metres. yaw: radians to the right of +z. pitch: radians upwards.
    focal: pixels; width, height_px: image size in pixels; centre: principal point in pixels.
    """

    x: float
    z: float
    height: float
    yaw: float
    pitch: float
    focal: float
    width: int
    height_px: int

    @property
    def centre(self) -> tuple[float, float]:
        return self.width / 2, self.height_px / 2

    @cached_property
    def axes(self) -> Points:
        """(3, 3): rows are the camera's right, down and forward axes in the world."""
        sy, cy, sp, cp = sin(self.yaw), cos(self.yaw), sin(self.pitch), cos(self.pitch)
        return np.array([[cy, 0.0, -sy], [sy * sp, -cp, cy * sp], [sy * cp, sp, cy * cp]])

    @property
    def horizon(self) -> float:
        """Image row of the horizon."""
        return self.centre[1] + self.focal * sin(self.pitch) / cos(self.pitch)

    @cached_property
    def eye(self) -> Points:
        """(3,): where the camera is in the world."""
        return np.array([self.x, self.height, self.z])

    def view(self, points: Points) -> Points:
        """World points (..., 3) in camera axes (right, down, forward), metres."""
        return np.asarray((points - self.eye) @ self.axes.T)

    def image(self, viewed: Points) -> Points:
        """Image places (..., 2) of points in camera axes, all of them in front of the camera."""
        return viewed[..., :2] * (self.focal / viewed[..., 2:]) + self.centre

    def spot(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Image place and depth of one world point; (0, 0, depth) where it is not in front."""
        right, down, ahead = self._rows
        x, y, z = x - self.x, y - self.height, z - self.z
        depth = ahead[0] * x + ahead[1] * y + ahead[2] * z
        if depth < NEAR_M:
            return 0.0, 0.0, depth
        scale = self.focal / depth
        u = right[0] * x + right[1] * y + right[2] * z
        v = down[0] * x + down[1] * y + down[2] * z
        return u * scale + self.width / 2, v * scale + self.height_px / 2, depth

    @cached_property
    def _rows(self) -> list[list[float]]:
        rows: list[list[float]] = self.axes.tolist()
        return rows

    def ground(
        self, first_row: int, road: Road
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Where on the road every pixel below the horizon lies.

        Returns s and d, (rows, width) float32 in metres, and the depth of each row, (rows,)
        float32 in metres, for the rows from `first_row` on, which must be below the horizon.
        """
        right, down, ahead = self.axes
        v = (np.arange(first_row, self.height_px) + 0.5 - self.centre[1]) / self.focal
        u = (np.arange(self.width) + 0.5 - self.centre[0]) / self.focal
        reach = self.height / -(down[1] * v + ahead[1])
        base_x = self.x + reach * (down[0] * v + ahead[0])
        base_z = self.z + reach * (down[2] * v + ahead[2])
        spread = np.outer(reach, u).astype(np.float32)
        x = np.float32(right[0]) * spread + base_x.astype(np.float32)[:, None]
        z = np.float32(right[2]) * spread + base_z.astype(np.float32)[:, None]
        s, d = road.place(x, z)
        return s, d, reach.astype(np.float32)


def clip_near(viewed: Points) -> Points:
    """The part of a polygon in camera axes (N, 3) that lies beyond `NEAR_M` (may be empty)."""
    kept: list[Points] = []
    for a, b in zip(viewed, np.roll(viewed, -1, axis=0), strict=True):
        if a[2] >= NEAR_M:
            kept.append(a)
        if (a[2] >= NEAR_M) != (b[2] >= NEAR_M):
            kept.append(a + (b - a) * ((NEAR_M - a[2]) / (b[2] - a[2])))
    return np.array(kept).reshape(-1, 3)
