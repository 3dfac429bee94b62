"""Vehicles in the street: placed, projected and shaded together, drawn one by one."""

from dataclasses import dataclass
from math import cos, hypot, sin

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.body import Body
from edge_mtl.data.rendered.camera import NEAR_M, Camera, Points, clip_near
from edge_mtl.data.rendered.canvas import Canvas, Glow, fixed_point

PAINTS = (
    (188, 192, 195),
    (150, 152, 154),
    (165, 168, 170),
    (92, 94, 96),
    (62, 62, 64),
    (46, 46, 48),
    (38, 38, 40),
    (32, 32, 33),
    (215, 218, 220),
    (230, 232, 233),
    (105, 66, 42),
    (80, 42, 26),
    (60, 38, 28),
    (34, 30, 105),
    (44, 40, 140),
    (62, 76, 52),
    (85, 120, 140),
    (120, 105, 75),
    (55, 90, 145),
    (140, 148, 155),
)


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle at a world place; yaw in radians to the right of +z; `lit`: 0 in the shade."""

    body: Body
    paint_colour: tuple[float, float, float]
    x: float
    z: float
    yaw: float
    lit: float
    lamps: bool
    braking: bool

    @property
    def height(self) -> float:
        return 0.85 * self.body.height

    def distance(self, camera: Camera) -> float:
        return hypot(self.x - camera.x, self.z - camera.z)

    def in_world(self, points: Points) -> Points:
        """Places in the body's own axes (N, 3) in the world."""
        c, s = cos(self.yaw), sin(self.yaw)
        turn = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
        return np.asarray(points @ turn + (self.x, 0.0, self.z))

    def footprint(self, margin: float) -> Points:
        """Ground corners (4, 3) of the vehicle in the world, widened by `margin` metres."""
        a, b = self.body.width / 2 + margin, self.body.length / 2 + margin
        return self.in_world(np.array([[-a, 0.0, -b], [a, 0.0, -b], [a, 0.0, b], [-a, 0.0, b]]))


@dataclass(frozen=True, slots=True)
class Placed:
    """A vehicle as one frame shows it.

    starts: of its faces among the vertices. viewed: (V, 3) vertices in camera axes; fixed: the
    same in the image, 1/16 pixels; low, high: the image places around all of it. facing: faces
    towards the camera. colours: of all faces.
    """

    vehicle: Vehicle
    starts: list[int]
    viewed: Points
    fixed: NDArray[np.int32]
    low: Points
    high: Points
    facing: list[int]
    colours: list[list[float]]

    def distance(self, camera: Camera) -> float:
        return self.vehicle.distance(camera)

    def paint(self, canvas: Canvas) -> None:
        thing = canvas.begin("car", float(self.viewed[:, 2].mean()))
        if thing is None:
            return
        starts = self.starts
        whole = self.viewed[:, 2].min() >= NEAR_M
        for index in self.facing:
            first, last = starts[index], starts[index + 1]
            b, g, r = self.colours[index]
            if whole:
                canvas.fill(self.fixed[first:last], (b, g, r), thing.code)
                continue
            part = clip_near(self.viewed[first:last])
            if len(part) >= 3:
                canvas.polygon(canvas.camera.image(part), (b, g, r), thing.code)
        canvas.finish(thing, self.low, self.high)
        if thing.area:
            self._shine(canvas, thing.code)

    def _shine(self, canvas: Canvas, code: int) -> None:
        """Note the lights that face the camera."""
        vehicle, camera = self.vehicle, canvas.camera
        if not (vehicle.lamps or vehicle.braking):
            return
        x, z = camera.x - vehicle.x, camera.z - vehicle.z
        front = x * sin(vehicle.yaw) + z * cos(vehicle.yaw) > 0
        if front and not vehicle.lamps:
            return
        viewed = camera.view(vehicle.in_world(vehicle.body.lamps))
        strength = 1.0 if vehicle.braking else 0.6
        colour = (225.0, 240.0, 255.0) if front else (30.0, 30.0, 255.0 * strength)
        for place in viewed[2:] if front else viewed[:2]:
            if place[2] >= 1.0:
                u, v = camera.image(place)
                radius = camera.focal * (0.1 if front else 0.085) / place[2]
                canvas.glows.append(Glow(u, v, radius, colour, code))


def place(vehicles: list[Vehicle], canvas: Canvas) -> list[Placed]:
    """Those of the vehicles that the camera sees."""
    if not vehicles:
        return []
    camera = canvas.camera
    poses = np.array([(cos(v.yaw), sin(v.yaw), v.x, v.z, v.lit) for v in vehicles])
    bodies = [_for_distance(v, camera) for v in vehicles]
    count = [len(body.vertices) for body in bodies]
    begin = np.cumsum([0, *count])
    vertices = np.concatenate([body.vertices for body in bodies])
    viewed = camera.view(_moved(vertices, poses[np.repeat(np.arange(len(count)), count)]))
    flat = camera.image(np.maximum(viewed, (-np.inf, -np.inf, NEAR_M)))
    low = np.minimum.reduceat(flat, begin[:-1])
    high = np.maximum.reduceat(flat, begin[:-1])
    farthest = np.maximum.reduceat(viewed[:, 2], begin[:-1])
    size = np.array((camera.width, camera.height_px))
    seen = (farthest > NEAR_M + 1.0) & (high > 0).all(axis=1) & (low < size).all(axis=1)
    seen &= (high - low).max(axis=1) > 4.0
    fixed = fixed_point(flat)
    faces = [len(body.normals) for body in bodies]
    first = np.cumsum([0, *faces])
    by_face = poses[np.repeat(np.arange(len(faces)), faces)]
    still = by_face * (1.0, 1.0, 0.0, 0.0, 1.0)
    normals = _moved(np.concatenate([body.normals for body in bodies]), still)
    centres = _moved(np.concatenate([body.centres for body in bodies]), by_face)
    facing = np.einsum("ij,ij->i", normals, camera.eye - centres) > 0.0
    shade = canvas.shade(normals, by_face[:, 4])[:, None]
    tones = np.concatenate([body.colours for body in bodies])
    painted = np.concatenate([body.painted for body in bodies])[:, None]
    own = np.repeat(np.array([v.paint_colour for v in vehicles]), faces, axis=0)
    colours = np.minimum(255.0, np.where(painted, tones * own, tones) * shade)
    result = []
    for i in np.flatnonzero(seen).tolist():
        vehicle = vehicles[i]
        towards = facing[first[i] : first[i + 1]]
        result.append(
            Placed(
                vehicle,
                bodies[i].starts,
                viewed[begin[i] : begin[i + 1]],
                fixed[begin[i] : begin[i + 1]],
                low[i],
                high[i],
                np.flatnonzero(towards).tolist(),
                colours[first[i] : first[i + 1]].tolist(),
            )
        )
    return result


def _for_distance(vehicle: Vehicle, camera: Camera) -> Body:
    """The vehicle's body, without details where it is small in the image."""
    body = vehicle.body
    small = body.height * camera.focal < 26.0 * vehicle.distance(camera)
    return body.coarse if small and body.coarse is not None else body


def _moved(points: Points, poses: Points) -> Points:
    """Points (N, 3), each turned and moved by its pose (N, 5): cosine, sine, x, z, any."""
    c, s = poses[:, 0], poses[:, 1]
    return np.stack(
        [
            points[:, 0] * c + points[:, 2] * s + poses[:, 2],
            points[:, 1],
            points[:, 2] * c - points[:, 0] * s + poses[:, 3],
        ],
        axis=1,
    )
