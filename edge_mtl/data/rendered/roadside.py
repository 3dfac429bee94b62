"""What stands on the pavement: lamps, signs, traffic lights, bollards, bins and railings."""

from math import cos, pi, sin

import numpy as np

from edge_mtl.data.rendered.canvas import Code
from edge_mtl.data.rendered.furniture import STEEL, Block, Mast, Railing
from edge_mtl.data.rendered.signs import SIGNS, Sign, TrafficLight
from edge_mtl.data.rendered.street import Street

LAMP = (120.0, 205.0, 255.0)


class Roadside:
    """Both pavements' furniture, made once for a clip; only traffic lights change with time.

    fixtures: all of it but the traffic lights. lamps: street lamps that are on, at (s, d).
    """

    def __init__(self, rng: np.random.Generator, street: Street) -> None:
        self._rng, self._street = rng, street
        self.fixtures: list[Mast | Sign | Railing | Block] = []
        self.lamps: list[tuple[float, float]] = []
        for side in (-1, 1):
            kerb = street.section.kerb(side) + 0.45
            self._light(side, kerb)
            for _ in range(rng.poisson(street.end / 26.0)):
                place = rng.uniform(8.0, street.end - 40.0), kerb + rng.uniform(0.0, 0.5)
                self._signpost(*place, side)
            self._clutter(side, kerb)
            self._guard(side, kerb)
        self._signals = self._place_signals()

    def _light(self, side: int, kerb: float) -> None:
        """A row of street lamps."""
        rng, road, look = self._rng, self._street.road, self._street.look
        if rng.random() > 0.85:
            return
        spacing, height = rng.uniform(18.0, 34.0), rng.uniform(5.5, 9.0)
        arm = -side * rng.uniform(0.6, 2.2)
        glow = LAMP if look.lamps and look.time != "day" else None
        for s in np.arange(rng.uniform(4.0, spacing), self._street.end - 30.0, spacing).tolist():
            turn = road.heading(s)
            reach = arm * cos(turn), -arm * sin(turn)
            self.fixtures.append(
                Mast(*road.point(s, side * kerb), height, 0.15, reach, STEEL, glow)
            )
            if glow is not None:
                self.lamps.append((s, side * kerb + arm))

    def _signpost(self, s: float, d: float, side: int) -> None:
        rng, road = self._rng, self._street.road
        if self._street.in_mouth(s, 0.5):
            return
        x, z = road.point(s, side * d)
        away = side != self._street.section.hand and rng.random() < 0.6
        yaw = road.heading(s) + (pi if away else 0.0) + rng.normal(0.0, 0.12)
        kind = SIGNS[rng.integers(len(SIGNS))]
        height = rng.uniform(2.1, 2.8)
        size = rng.uniform(0.6, 0.9) * (0.8 if kind == "direction" else 1.0)
        self.fixtures.append(Mast(x, z, height + size / 2, 0.075, (0.0, 0.0), STEEL, None))
        self.fixtures.append(Sign(x, z - 0.06, yaw, height, kind, size))
        if rng.random() < 0.25:
            other = SIGNS[rng.integers(5)]
            self.fixtures.append(Sign(x, z - 0.06, yaw, height - size, other, size * 0.8))

    def _clutter(self, side: int, kerb: float) -> None:
        """Bins and cabinets."""
        rng = self._rng
        for _ in range(rng.poisson(self._street.end / 40.0)):
            s, d = rng.uniform(6.0, self._street.end - 50.0), kerb + rng.uniform(0.2, 0.8)
            tone = rng.uniform(20.0, 90.0)
            size = rng.uniform(0.35, 0.7), rng.uniform(0.7, 1.3), rng.uniform(0.35, 0.7)
            colour = tone, tone * rng.uniform(0.9, 1.3), tone
            place = self._street.road.point(s, side * d)
            self.fixtures.append(Block(*place, size, colour, Code.CLUTTER))

    def _guard(self, side: int, kerb: float) -> None:
        """Bollards or a railing at the kerb, here and there."""
        rng, road, section = self._rng, self._street.road, self._street.section
        if rng.random() < 0.3:
            start = rng.uniform(5.0, 40.0)
            tone = rng.uniform(30.0, 60.0)
            for s in np.arange(start, start + rng.uniform(8.0, 30.0), 1.6).tolist():
                post = road.point(s, side * (kerb - 0.1))
                self.fixtures.append(Mast(*post, 1.0, 0.13, (0.0, 0.0), (tone, tone, tone), None))
        if section.kind in ("high street", "arterial") and rng.random() < 0.3:
            start, d = rng.uniform(6.0, 40.0), side * (kerb - 0.15)
            for s in np.arange(start, start + rng.uniform(8.0, 40.0), 4.0).tolist():
                if not self._street.in_mouth(s + 2.0, 4.0):
                    near, far = (np.array(road.point(at, d)) for at in (s, s + 4.0))
                    self.fixtures.append(Railing(near, far, 1.05, (105.0, 108.0, 108.0), False))

    def _place_signals(self) -> list[tuple[float, float, float]]:
        """Traffic lights as (x, z, yaw); their masts are fixtures."""
        rng, section, road = self._rng, self._street.section, self._street.road
        stops = [at - 3.4 for at in (section.crossing,) if at is not None and rng.random() < 0.55]
        if section.junction is not None and rng.random() < 0.6:
            stops.append(section.junction[0] - section.junction[1] - 2.0)
        heads = []
        for stop in stops:
            for side in (-1, 1):
                for s, yaw in ((stop, 0.0), (stop + 9.0, 0.0), (stop + 8.5, pi)):
                    if rng.random() < 0.2:
                        continue
                    x, z = road.point(s, side * (section.kerb(side) + 0.4))
                    grey = (60.0, 60.0, 60.0)
                    self.fixtures.append(Mast(x, z, 3.1, 0.12, (0.0, 0.0), grey, None))
                    heads.append((x, z - 0.1 * cos(yaw), yaw + road.heading(s)))
        return heads

    def signals(self, state: int) -> list[TrafficLight]:
        """The traffic lights as they show one state of `TrafficLight`."""
        return [TrafficLight(x, z, yaw, 2.75, state) for x, z, yaw in self._signals]
