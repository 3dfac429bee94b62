"""Traffic signs and traffic lights: what faces the driver from a post."""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, hypot
from typing import ClassVar

import numpy as np

from edge_mtl.data.rendered.camera import Camera, Points
from edge_mtl.data.rendered.canvas import Canvas, Colour, Glow
from edge_mtl.data.rendered.furniture import lit
from edge_mtl.data.rendered.upright import Upright

SIGNS = ("stop", "give way", "speed", "no entry", "warning", "parking", "direction", "blue")


@dataclass(frozen=True, slots=True)
class Sign(Upright):
    """A traffic sign that faces against the direction of `yaw`, its middle at `height` metres."""

    visible_m: ClassVar[float] = 85.0

    yaw: float
    height: float
    kind: str
    size: float

    def distance(self, camera: Camera) -> float:
        return Upright.distance(self, camera) - 0.05

    def paint(self, canvas: Canvas) -> None:
        camera = canvas.camera
        u, v, depth = camera.spot(self.x, self.height, self.z)
        if depth < 1.5:
            return
        thing = canvas.begin("sign", depth)
        if thing is None:
            return
        middle = np.array((u, v))
        radius = self.size / 2 * camera.focal / depth
        squeeze = max(0.25, abs(cos(self.yaw - camera.yaw)))
        light = canvas.front_light * 1.05
        layers = _sign_layers(self.kind)
        if cos(self.yaw - camera.yaw) < 0:
            layers = [(layers[0][0], (120.0, 122.0, 122.0))]
        if radius < 5.0:
            layers = layers[:2]
        scale = np.array((radius * squeeze, radius))
        for outline, colour in layers:
            canvas.shape(middle + outline * scale, lit(colour, light), thing.code)
        reach = 2.3 * scale
        canvas.finish(thing, middle - reach, middle + reach)


def _ring(corners: int, radius: float, start: float = 0.0) -> Points:
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False) + start
    return radius * np.stack([np.sin(angle), -np.cos(angle)], axis=1)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


@lru_cache(maxsize=len(SIGNS))
def _sign_layers(kind: str) -> list[tuple[Points, Colour]]:
    """Outlines (N, 2) in units of half the sign's size, v down, from back to front."""
    white, red, blue, black = (
        (232.0, 234.0, 235.0),
        (38.0, 30.0, 190.0),
        (165.0, 75.0, 25.0),
        (28.0, 28.0, 28.0),
    )
    triangle = np.add(_ring(3, 1.12), (0.0, 0.25))
    if kind == "stop":
        return [
            (_ring(8, 1.0, np.pi / 8), white),
            (_ring(8, 0.93, np.pi / 8), red),
            (_box(-0.62, -0.17, 0.62, 0.17), white),
        ]
    if kind == "give way":
        return [(-triangle, red), (-np.add(_ring(3, 0.7), (0.0, 0.25)), white)]
    if kind == "warning":
        return [
            (triangle, red),
            (np.add(_ring(3, 0.72), (0.0, 0.27)), white),
            (_box(-0.08, -0.1, 0.08, 0.45), black),
        ]
    if kind == "speed":
        return [
            (_ring(16, 1.0), red),
            (_ring(16, 0.76), white),
            (_box(-0.42, -0.3, -0.08, 0.3), black),
            (_box(0.08, -0.3, 0.42, 0.3), black),
            (_box(0.18, -0.16, 0.32, 0.16), white),
        ]
    if kind == "no entry":
        return [(_ring(16, 1.0), red), (_box(-0.7, -0.17, 0.7, 0.17), white)]
    if kind == "parking":
        return [
            (_box(-0.9, -0.9, 0.9, 0.9), blue),
            (_box(-0.35, -0.6, -0.12, 0.6), white),
            (_box(-0.12, -0.6, 0.35, 0.05), white),
            (_box(-0.12, -0.4, 0.14, -0.14), blue),
        ]
    if kind == "direction":
        return [
            (_box(-2.2, -0.8, 2.2, 0.8), white),
            (_box(-2.1, -0.72, 2.1, 0.72), (70.0, 95.0, 25.0)),
            (_box(-1.8, -0.4, 0.6, -0.15), white),
            (_box(-1.8, 0.12, 1.1, 0.36), white),
            (np.array([[1.3, 0.0], [1.7, -0.35], [1.7, 0.35]]), white),
        ]
    return [
        (_ring(16, 1.0), white),
        (_ring(16, 0.94), blue),
        (
            np.array(
                [
                    [0.0, 0.6],
                    [-0.35, 0.1],
                    [-0.1, 0.1],
                    [-0.1, -0.6],
                    [0.1, -0.6],
                    [0.1, 0.1],
                    [0.35, 0.1],
                ]
            ),
            white,
        ),
    ]


@dataclass(frozen=True, slots=True)
class TrafficLight:
    """A signal head that faces against `yaw`; state 0 red, 1 red and amber, 2 green, 3 amber."""

    x: float
    z: float
    yaw: float
    height: float
    state: int

    def distance(self, camera: Camera) -> float:
        return hypot(self.x - camera.x, self.z - camera.z) - 0.1

    def paint(self, canvas: Canvas) -> None:
        camera = canvas.camera
        u, v, depth = camera.spot(self.x, self.height, self.z)
        if depth < 1.5:
            return
        thing = canvas.begin("sign", depth)
        if thing is None:
            return
        middle = np.array((u, v))
        unit = camera.focal / depth
        light = canvas.front_light
        plate = _box(-0.26, -0.62, 0.26, 0.62) * unit + middle
        canvas.polygon(plate, (30.0 * light,) * 3, thing.code)
        housing = _box(-0.17, -0.53, 0.17, 0.53) * unit + middle
        canvas.polygon(housing, (46.0 * light, 44.0 * light, 42.0 * light), thing.code)
        if cos(self.yaw - camera.yaw) > 0:
            lamps = ((40.0, 40.0, 255.0), (30.0, 170.0, 255.0), (150.0, 235.0, 60.0))
            on = ((0,), (0, 1), (2,), (1,))[self.state]
            for index, colour in enumerate(lamps):
                v = middle[1] + (index - 1) * 0.33 * unit
                shown = colour if index in on else tuple(0.16 * c + 8 for c in colour)
                canvas.disc(middle[0], v, 0.12 * unit, (shown[0], shown[1], shown[2]), thing.code)
                if index in on:
                    canvas.glows.append(Glow(middle[0], v, 0.12 * unit, colour, thing.code))
        canvas.finish(thing, plate[0], plate[2])
