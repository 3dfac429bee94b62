"""What lines a street: rows of houses, gardens, hedges, fences and trees, made once for a clip."""

from dataclasses import dataclass
from math import hypot, pi
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.building import Building, Roof, Wall
from edge_mtl.data.rendered.camera import Camera, Points
from edge_mtl.data.rendered.canvas import Canvas, Surface
from edge_mtl.data.rendered.facade import Facade
from edge_mtl.data.rendered.furniture import Railing
from edge_mtl.data.rendered.stock import Stock
from edge_mtl.data.rendered.street import Street
from edge_mtl.data.rendered.tree import Tree


@dataclass(frozen=True, slots=True)
class Hedge:
    """A wall without a roof: a hedge or a garden wall."""

    wall: Wall
    visible_m: ClassVar[float] = 90.0

    @property
    def ends(self) -> tuple[Points, Points]:
        return self.wall.a, self.wall.b

    def distance(self, camera: Camera) -> float:
        return max(hypot(p[0] - camera.x, p[1] - camera.z) for p in self.ends)

    def paint(self, canvas: Canvas) -> None:
        self.wall.paint(canvas)


class Frontage:
    """Both sides of a street beyond its pavements, and its trees.

    fixtures: all of it. shadows: polygons (N, 2) of (s, d) on the ground.
    """

    def __init__(self, rng: np.random.Generator, street: Street) -> None:
        self._rng, self._street = rng, street
        self.fixtures: list[Building | Hedge | Tree | Railing] = []
        self.shadows: list[NDArray[np.float64]] = []
        self._stock = Stock(rng, street)
        for side in (-1, 1):
            self._line(side)
            self._plant(side)

    def _line(self, side: int) -> None:
        """The row of buildings or what stands in their place."""
        rng, section = self._rng, self._street.section
        front = section.front(side)
        built = {
            "high street": 0.97,
            "residential": 0.85,
            "avenue": 0.75,
            "park": 0.6,
            "arterial": 0.4,
        }
        share = built[section.kind]
        if section.kind == "park" and side == section.hand:
            share = 0.08
        s = -12.0
        built_to, beside = -99.0, 0.0
        while s < self._street.end:
            if rng.random() < share:
                index = int(rng.integers(len(self._stock.fronts)))
                facade, gable = self._stock.fronts[index]
                back = 0.0 if section.kind == "high street" else rng.uniform(0.0, 1.5)
                width = facade.width
                if not (
                    self._street.in_mouth(s, 2.0)
                    or self._street.in_mouth(s + width, 2.0)
                    or self._street.in_mouth(s + width / 2, 2.0)
                ):
                    if built_to < s or section.kind != "high street":
                        beside = 0.0
                    d = side * (front + back)
                    self._build(s, d, facade, self._stock.front(index, side), gable, beside)
                    built_to, beside = s + width, facade.height
                s += width
                if section.kind == "residential":
                    s += rng.uniform(0.0, 5.0)
            else:
                width = rng.uniform(6.0, 16.0)
                self._green(s, width, side)
                s += width

    def _build(
        self,
        s: float,
        d: float,
        facade: Facade,
        front: Surface,
        gable: Surface,
        beside: float,
    ) -> None:
        rng = self._rng
        roof = None
        if not facade.style.modern and rng.random() < 0.8:
            tone = rng.uniform(0.6, 1.1)
            slate = (72.0, 70.0, 68.0) if rng.random() < 0.6 else (58.0, 72.0, 110.0)
            colour = (slate[0] * tone, slate[1] * tone, slate[2] * tone)
            chimneys = tuple(rng.uniform(0.05, 0.8, rng.integers(0, 3)))
            roof = Roof(rng.uniform(1.6, 3.2), rng.uniform(3.0, 5.0), colour, chimneys)
        span = s, s + facade.width
        self.fixtures.append(
            Building(self._street.road, span, d, front, gable, facade.height, roof, beside)
        )
        self._cast(span, d, facade.height)

    def _cast(self, s: tuple[float, float], d: float, height: float) -> None:
        """A wall's shadow on the ground, in the road's coordinates."""
        sun = self._street.look.sun
        if self._street.look.sunlight < 0.2 or sun[1] < 0.05:
            return
        shift = -sun[[2, 0]] / sun[1] * height
        foot = np.array([[s[0], d], [s[1], d]])
        self.shadows.append(np.vstack([foot, foot[::-1] + shift]))

    def _green(self, s: float, width: float, side: int) -> None:
        """Trees behind a hedge, a fence or nothing, where no building stands."""
        rng, section = self._rng, self._street.section
        outer = section.walk(side)[1] + 0.2
        for _ in range(rng.integers(1, 4)):
            self._tree(
                s + rng.uniform(0, width),
                side * (outer + rng.uniform(2.0, 8.0)),
                rng.uniform(5.0, 13.0),
            )
        kind = rng.random()
        if (
            self._street.in_mouth(s, 1.0)
            or self._street.in_mouth(s + width, 1.0)
            or self._street.in_mouth(s + width / 2, 1.0)
        ):
            return
        self._border(s, width, side, outer, kind)

    def _border(self, s: float, width: float, side: int, d: float, kind: float) -> None:
        rng = self._rng
        near, far = (np.array(self._street.road.point(at, side * d)) for at in (s, s + width))
        a, b = (near, far) if side < 0 else (far, near)
        if kind < 0.35:
            self.fixtures.append(Hedge(Wall(a, b, 0.0, rng.uniform(0.9, 2.0), self._stock.hedge)))
        elif kind < 0.65:
            tone = rng.uniform(0.4, 1.3)
            boards = bool(rng.random() < 0.4)
            base = (70.0, 100.0, 125.0) if boards else (60.0, 64.0, 62.0)
            colour = (base[0] * tone, base[1] * tone, base[2] * tone)
            height = rng.uniform(0.9, 1.8)
            self.fixtures.append(Railing(a, b, height, colour, boards))
        elif kind < 0.8:
            gable = self._stock.fronts[0][1]
            self.fixtures.append(Hedge(Wall(a, b, 0.0, rng.uniform(0.7, 1.6), gable)))

    def _tree(self, s: float, d: float, height: float) -> None:
        rng = self._rng
        x, z = self._street.road.point(s, d)
        sprite = self._stock.trees[rng.integers(len(self._stock.trees))]
        light = 0.8 + 0.3 * self._street.look.sunlight + rng.uniform(-0.1, 0.1)
        self.fixtures.append(Tree(x, z, height, sprite, bool(rng.random() < 0.5), light))
        sun = self._street.look.sun
        if self._street.look.sunlight < 0.2:
            return
        for _ in range(14):
            middle = np.array([s, d]) - sun[[2, 0]] / sun[1] * height * rng.uniform(0.35, 0.9)
            middle = middle + rng.normal(0, 0.12 * height, 2)
            turn = np.linspace(0, 2 * pi, 9, endpoint=False)
            ring = np.stack([np.cos(turn), np.sin(turn)], axis=1) * rng.uniform(
                0.3, 0.12 * height + 0.4
            )
            self.shadows.append(middle + ring)

    def _plant(self, side: int) -> None:
        """Street trees, front gardens."""
        rng, section = self._rng, self._street.section
        outer = section.walk(side)[1]
        row = {"avenue": 0.9, "park": 0.6, "residential": 0.4, "arterial": 0.5, "high street": 0.2}
        if rng.random() < row[section.kind]:
            d = section.kerb(side) + (
                0.6 * section.verge[side > 0] if section.verge[side > 0] else 0.6
            )
            spacing = rng.uniform(7.0, 18.0)
            for s in np.arange(rng.uniform(0.0, spacing) + 4.0, self._street.end - 25.0, spacing):
                if not self._street.in_mouth(s, 3.0):
                    self._tree(s + rng.normal(0, 0.4), side * d, rng.uniform(4.5, 9.5))
        if section.setback[side > 0] > 1.5 and section.kind in (
            "residential",
            "avenue",
            "arterial",
        ):
            kind = rng.random()
            for s in np.arange(-8.0, self._street.end - 30.0, 8.0):
                if rng.random() < 0.75 and not self._street.in_mouth(s + 4.0, 6.5):
                    self._border(
                        s, 8.0, side, outer + 0.15, kind if rng.random() < 0.7 else rng.random()
                    )
