"""The world of one clip, and its frames."""

from dataclasses import dataclass
from math import sin, tau

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.camera import Camera, Road
from edge_mtl.data.rendered.canvas import Canvas, Pixels, fixed_point
from edge_mtl.data.rendered.depth import depth_codes
from edge_mtl.data.rendered.frontage import Frontage
from edge_mtl.data.rendered.ground import Ground, Shade
from edge_mtl.data.rendered.lens import Lens
from edge_mtl.data.rendered.look import Look
from edge_mtl.data.rendered.person import Cyclist, Pedestrian, pose
from edge_mtl.data.rendered.roadside import Roadside
from edge_mtl.data.rendered.scenery import Item, Scenery
from edge_mtl.data.rendered.section import Section
from edge_mtl.data.rendered.sky import Sky
from edge_mtl.data.rendered.street import Street
from edge_mtl.data.rendered.traffic import Ride, Traffic, User
from edge_mtl.data.rendered.vehicle import Vehicle, place

BEYOND_M = 150.0
"""How far beyond the last place of the camera there are houses, in metres."""
VIEW_M = 130.0
"""Nothing farther is drawn; the skyline stands for it."""


@dataclass(frozen=True, slots=True)
class Mount:
    """How the camera sits in its car: metres, radians, pixels; bob: amplitude of its pitching."""

    height: float
    focal: float
    pitch: float
    yaw: float
    offset: float
    bob: float
    phases: tuple[float, float, float]


class World:
    """Everything of the clip with this number: a pure function of its arguments.

    size: width and height of the image in pixels. seconds: how long the clip lasts.
    """

    def __init__(self, seed: int, clip: int, size: tuple[int, int], seconds: float) -> None:
        rng = np.random.default_rng((seed, clip))
        self.size = size
        self.look = Look.draw(rng)
        self._ride = _ride(rng, seconds)
        reach = self._ride.s(seconds)
        bend = rng.choice((0.0, 1.0, -1.0), p=(0.5, 0.25, 0.25)) / rng.uniform(130.0, 500.0)
        self.road = Road(float(bend))
        self.section = Section.draw(rng, reach)
        self._mount = Mount(
            height=rng.uniform(1.2, 1.6),
            focal=size[0] * rng.uniform(0.78, 1.15),
            pitch=rng.uniform(-0.045, 0.05),
            yaw=rng.normal(0.0, 0.02),
            offset=rng.normal(0.0, 0.15),
            bob=rng.uniform(0.0008, 0.004),
            phases=(rng.uniform(0, tau), rng.uniform(0, tau), rng.uniform(0, tau)),
        )
        self._lights = rng.integers(4), rng.uniform(0.0, 3.0)
        turn = abs(bend) * reach + 0.12
        self._sky = Sky(rng, self.look, size, self._mount.focal, turn)
        street = Street(self.road, self.section, self.look, reach + BEYOND_M)
        frontage, self._roadside = Frontage(rng, street), Roadside(rng, street)
        self._scenery = Scenery([*frontage.fixtures, *self._roadside.fixtures])
        shade = Shade(frontage.shadows, 0.5 * self.look.sunlight)
        lamps = np.array(self._roadside.lamps).reshape(-1, 2)
        self._ground = Ground(rng, self.section, self.look, reach, shade, lamps)
        shaded = _sunny(frontage.shadows, reach)
        self._traffic = Traffic(rng, self.section, self.look, self._ride, seconds, shaded)
        self._lens = Lens(rng, self.look, size)

    def camera(self, t: float) -> Camera:
        """The camera at a time in seconds."""
        mount, (a, b, c) = self._mount, self._mount.phases
        s = self._ride.s(t)
        moving = min(1.0, self._ride.speed / 4.0)
        d = self.section.ego + mount.offset + 0.12 * sin(0.7 * t + c) * moving
        x, z = self.road.point(s, d)
        shake = 0.7 * sin(tau * 1.3 * t + a) + 0.3 * sin(tau * 4.1 * t + b)
        return Camera(
            x=x,
            z=z,
            height=mount.height + 0.012 * shake * moving,
            yaw=self.road.heading(s) + mount.yaw + 0.008 * sin(0.8 * t + b) * moving,
            pitch=mount.pitch + mount.bob * shake * moving,
            focal=mount.focal,
            width=self.size[0],
            height_px=self.size[1],
        )

    def paint(self, t: float, frame: int) -> tuple[Pixels, Canvas, Pixels, Pixels]:
        """The picture (H, W, 3), what was painted, its codes and its depth codes (H, W), at a time
        in seconds."""
        camera = self.camera(t)
        canvas = Canvas(camera, self.look.sun, self.look.sunlight)
        self._sky.paint(canvas)
        first, s, d, ground_depth = self._ground.paint(canvas, self.road)
        limit = min(VIEW_M, 3.5 * self.look.haze_m)
        users = self._traffic.seen(camera, self.road, t, limit)
        self._shadows(canvas, users, first)
        state = (self._lights[0] + int((t + self._lights[1]) / 3.0)) % 4
        items: list[Item] = [
            *self._scenery.seen(camera, limit),
            *self._roadside.signals(int(state)),
            *place([user for user in users if isinstance(user, Vehicle)], canvas),
            *pose(
                [user for user in users if isinstance(user, Pedestrian)], camera, canvas.sun_side
            ),
            *(user for user in users if isinstance(user, Cyclist)),
        ]
        for item in sorted(items, key=lambda item: -item.distance(camera)):
            item.paint(canvas)
        codes = cv2.extractChannel(canvas.pixels, 3)
        pools = None
        if self.look.lamps and self.look.time != "day":
            pools = self._ground.lamplight(s, d)
        depth = depth_codes(canvas, codes, first, ground_depth)
        image = self._lens.develop(canvas, codes, depth, first, pools, frame)
        return image, canvas, codes, depth

    def _shadows(self, canvas: Canvas, users: list[User], first: int) -> None:
        """Darken the ground under and beside road users."""
        camera, sun = canvas.camera, self.look.sun
        users = [user for user in users if user.distance(camera) < 70.0]
        if not users:
            return
        feet = np.stack([user.footprint(margin) for user in users for margin in (0.12, -0.12)])
        sunny = self.look.sunlight > 0.2
        if sunny:
            tall = np.array([user.height * (user.lit > 0) for user in users])
            way = np.array([-sun[0], 0.0, -sun[2]]) / max(sun[1], 0.15)
            feet = np.concatenate([feet, feet[::2] + way * tall[:, None, None]])
        viewed = camera.view(feet)
        ahead = viewed[..., 2].min(axis=1) > 0.5
        flat = camera.image(np.maximum(viewed, (-np.inf, -np.inf, 0.5))) - (0.0, first)
        fixed = fixed_point(flat)
        mask = np.full((canvas.pixels.shape[0] - first, canvas.pixels.shape[1]), 255, np.uint8)
        count = len(users)
        dark = int(255 * (1.0 - 0.5 * self.look.sunlight))
        for i in range(count) if sunny else ():
            if ahead[2 * i] and ahead[2 * count + i] and users[i].lit:
                both = np.concatenate([fixed[2 * i], fixed[2 * count + i]])
                outline = cv2.convexHull(both)[:, 0]
                cv2.fillConvexPoly(mask, outline, dark, cv2.LINE_8, 4)
        for i in range(2 * count):
            if ahead[i]:
                cv2.fillConvexPoly(mask, fixed[i], (170, 95)[i % 2], cv2.LINE_8, 4)
        soft = cv2.blur(mask, (5, 3))
        below = canvas.pixels[first:]
        cv2.multiply(
            below, cv2.merge([soft, soft, soft, np.full_like(soft, 255)]), dst=below, scale=1 / 255
        )


def _ride(rng: np.random.Generator, seconds: float) -> Ride:
    """The camera car stands, crawls or drives; it never gets farther than 150 m."""
    pick = rng.random()
    speed = 0.0 if pick < 0.1 else rng.uniform(2.0, 6.0) if pick < 0.3 else rng.uniform(6.0, 14.0)
    acceleration = 0.0
    if speed:
        acceleration = float(rng.choice((0.0, 0.6, -0.9)))
    ride = Ride(speed, acceleration)
    reach = ride.s(seconds)
    if reach > 150.0:
        ride = Ride(150.0 / seconds, 0.0)
    return ride


def _sunny(shadows: list[NDArray[np.float64]], reach: float) -> NDArray[np.float32]:
    """By square metre of ground, 1 in the sun and 0 in a shadow that does not move."""
    shape = int(reach + 130), 38
    lit = np.ones(shape, np.float32)
    for polygon in shadows:
        cells = np.clip(polygon[:, ::-1] + (19.0, 4.0), -999, 999).astype(np.int32)
        cv2.fillPoly(lit, [cells], 0.0)
    return lit
