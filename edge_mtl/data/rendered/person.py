"""Pedestrians and cyclists in the street: posed, projected, drawn and labelled."""

from dataclasses import dataclass
from math import cos, hypot, sin

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.camera import Camera, Points
from edge_mtl.data.rendered.canvas import Canvas, Colour
from edge_mtl.data.rendered.figure import Clothes, outlines, paint_body, with_ends
from edge_mtl.data.rendered.skeleton import riding, walking


@dataclass(frozen=True, slots=True)
class Pedestrian:
    """Somebody on foot at a world place, walking towards `yaw` (radians right of +z).

    phase: of the stride, radians. energy: 0 stands, 1 walks. lit: 0 in the shade of a building.
    """

    x: float
    z: float
    yaw: float
    height: float
    phase: float
    energy: float
    clothes: Clothes
    lit: float

    def distance(self, camera: Camera) -> float:
        return hypot(self.x - camera.x, self.z - camera.z)

    def footprint(self, margin: float) -> Points:
        """A square (4, 3) on the ground around the feet, in the world."""
        m = 0.2 + margin
        square = np.array([[-m, 0.0, -m], [m, 0.0, -m], [m, 0.0, m], [-m, 0.0, m]])
        return np.asarray(square + np.array((self.x, 0.0, self.z)))


@dataclass(frozen=True, slots=True)
class Posed:
    """A pedestrian as one frame shows him: joints (27, 3) in camera axes and (27, 2) in the
    image, the outlines of his limbs, and his keypoints (17, 3) as labels."""

    person: Pedestrian
    depth: Points
    flat: Points
    outline: NDArray[np.int32]
    keypoints: NDArray[np.float32]

    def distance(self, camera: Camera) -> float:
        return self.person.distance(camera)

    def paint(self, canvas: Canvas) -> None:
        camera, person = canvas.camera, self.person
        unit = person.height * camera.focal / self.depth[18]
        thing = canvas.begin("pedestrian", float(self.depth.mean()))
        if thing is None:
            return
        facing = cos(person.yaw - camera.yaw)
        paint_body(
            canvas,
            thing.code,
            self.outline,
            self.depth,
            person.clothes,
            facing,
            person.lit,
            unit > 34.0,
        )
        margin = 0.14 * unit
        low, high = self.flat.min(axis=0) - margin, self.flat.max(axis=0) + margin
        canvas.finish(thing, low, high)
        thing.keypoints = self.keypoints


def pose(people: list[Pedestrian], camera: Camera, sun_side: float) -> list[Posed]:
    """Those of the people whom the camera may see, posed and projected."""
    if not people:
        return []
    height, phase, energy, yaw, x, z, coat, bulk = np.array(
        [
            (p.height, p.phase, p.energy, p.yaw, p.x, p.z, p.clothes.coat, p.clothes.bulk)
            for p in people
        ]
    ).T
    own = with_ends(walking(height, phase, energy), height, coat)
    c, s = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    world = np.stack(
        [
            own[..., 0] * c + own[..., 2] * s + x[:, None],
            own[..., 1],
            own[..., 2] * c - own[..., 0] * s + z[:, None],
        ],
        axis=-1,
    )
    viewed = camera.view(world)
    in_front = viewed[..., 2].min(axis=1) > 1.0
    unit = np.where(in_front, height * camera.focal / np.maximum(viewed[:, 18, 2], 1.0), 0.0)
    keep = np.flatnonzero(unit >= SMALLEST)
    flat = camera.image(viewed[keep])
    shapes = outlines(flat, unit[keep], bulk[keep], sun_side)
    facing = np.cos(yaw[keep] - camera.yaw)
    labels = _visibility(flat[:, :17], viewed[keep, :17, 2], facing, camera).astype(np.float32)
    return [
        Posed(people[i], viewed[i, :, 2], flat[n], shapes[n], labels[n])
        for n, i in enumerate(keep.tolist())
    ]


def _visibility(flat: Points, depth: Points, facing: Points, camera: Camera) -> Points:
    """Keypoints (N, 17, 3) of people whose joints lie at `flat` (N, 17, 2) in the image.

    Visibility is 2 where the body itself does not hide them, 1 where it does, 0 outside. An arm
    is hidden where it lies behind the trunk's middle and between its sides.
    """
    seen = np.full(depth.shape, 2.0)
    seen[:, :3][facing > 0.35] = 1.0
    trunk = depth[:, [5, 6, 11, 12]].mean(axis=1)[:, None]
    narrow = 0.25 * np.abs(flat[:, 5, 1] - flat[:, 11, 1])[:, None]
    pairs = [3, 5, 11]
    left, right = flat[:, pairs, 0], flat[:, [i + 1 for i in pairs], 0]
    behind = depth[:, pairs] - depth[:, [i + 1 for i in pairs]]
    close = np.abs(left - right) < narrow
    for column, index in enumerate(pairs):
        seen[close[:, column] & (behind[:, column] > 0.08), index] = 1.0
        seen[close[:, column] & (behind[:, column] < -0.08), index + 1] = 1.0
    low, high = flat[:, [5, 6, 11, 12]].min(axis=1), flat[:, [5, 6, 11, 12]].max(axis=1)
    arms = flat[:, 7:11]
    within = ((arms >= low[:, None]) & (arms <= high[:, None])).all(axis=2)
    seen[:, 7:11][within & (depth[:, 7:11] > trunk)] = 1.0
    size = np.array((camera.width, camera.height_px))
    inside = ((flat >= 0) & (flat < size)).all(axis=2, keepdims=True)
    return np.where(inside, np.concatenate([flat, seen[..., None]], axis=2), 0.0)


SMALLEST = 9.0
"""Pedestrians of fewer pixels are not drawn: CamVid does not label them either."""

_RIM = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_WHEEL = np.stack([0 * _RIM, 0.335 + 0.335 * np.sin(_RIM), 0.335 * np.cos(_RIM)], axis=1)
_REAR_WHEEL, _FRONT_WHEEL = (np.add(_WHEEL, (0.0, 0.0, z)) for z in (-0.48, 0.56))
_TUBES = ((0, 1), (1, 2), (0, 2), (1, 3), (2, 3), (3, 4), (3, 5), (6, 7), (8, 9))
BAR, CRANK = np.array([1.02, 0.42]), np.array([0.28, 0.05])


@dataclass(frozen=True, slots=True)
class Cyclist:
    """Somebody on a bicycle at a world place, riding towards `yaw` (radians right of +z)."""

    x: float
    z: float
    yaw: float
    height: float
    phase: float
    clothes: Clothes
    frame: Colour
    lit: float

    def distance(self, camera: Camera) -> float:
        return hypot(self.x - camera.x, self.z - camera.z)

    def footprint(self, margin: float) -> Points:
        """Ground corners (4, 3) of the bicycle in the world, widened by `margin` metres."""
        a, b = 0.2 + margin, 0.85 + margin
        square = np.array([[-a, 0.0, -b], [a, 0.0, -b], [a, 0.0, b], [-a, 0.0, b]])
        return self._in_world(square)

    def _in_world(self, points: Points) -> Points:
        c, s = cos(self.yaw), sin(self.yaw)
        turn = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
        return np.asarray(points @ turn + (self.x, 0.0, self.z))

    def paint(self, canvas: Canvas) -> None:
        camera = canvas.camera
        saddle = 0.53 * self.height
        rider = riding(self.height, self.phase, saddle, BAR, CRANK)
        height, coat = np.array([self.height]), np.array([0.0])
        frame = np.array(
            [
                [0, 0.335, -0.48],
                [0, 0.28, 0.05],
                [0, saddle, -0.12],
                [0, 0.85, 0.33],
                [0, 0.335, 0.56],
                [0, 1.02, 0.36],
                [-0.26, 1.02, 0.42],
                [0.26, 1.02, 0.42],
                [0, saddle + 0.02, -0.26],
                [0, saddle + 0.02, 0.02],
            ]
        )
        body = with_ends(rider[None], height, coat)[0]
        own = np.vstack([body, frame, _REAR_WHEEL, _FRONT_WHEEL])
        viewed = camera.view(self._in_world(own))
        if viewed[:, 2].min() < 1.0:
            return
        depth = float(viewed[:, 2].mean())
        thing = canvas.begin("cyclist", depth)
        if thing is None:
            return
        flat = camera.image(viewed)
        size = camera.focal / depth
        self._paint_bicycle(canvas, thing.code, flat[27:37], (flat[37:53], flat[53:]), size)
        unit = np.array([self.height * size])
        bulk = np.array([self.clothes.bulk])
        shapes = outlines(flat[None, :27], unit, bulk, canvas.sun_side)[0]
        facing = cos(self.yaw - camera.yaw)
        paint_body(
            canvas,
            thing.code,
            shapes,
            viewed[:27, 2],
            self.clothes,
            facing,
            self.lit,
            float(unit[0]) > 34.0,
        )
        margin = 0.15 * self.height * size
        canvas.finish(thing, flat.min(axis=0) - margin, flat.max(axis=0) + margin)

    def _paint_bicycle(
        self, canvas: Canvas, code: int, joints: Points, wheels: tuple[Points, Points], size: float
    ) -> None:
        side_on = abs(sin(self.yaw - canvas.camera.yaw))
        for rim in wheels:
            if side_on < 0.25:
                middle, half = rim.mean(axis=0), 0.03 * size + 0.335 * size * side_on
                top, bottom = rim[:, 1].min(), rim[:, 1].max()
                left, right = middle[0] - half, middle[0] + half
                box = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
                canvas.polygon(box, (28.0, 28.0, 28.0), code)
            else:
                canvas.ring(rim, 0.045 * size, (30.0, 30.0, 30.0), code)
        b_, g, r = self.frame
        for a, b in _TUBES:
            canvas.line(joints[a], joints[b], 0.035 * size, (0.9 * b_, 0.9 * g, 0.9 * r), code)
