"""What moves and what is parked: who drives, rides and walks where, as functions of time."""

from dataclasses import dataclass, replace
from math import hypot, pi, tau

import numpy as np

from edge_mtl.data.rendered.body import Body, car_body
from edge_mtl.data.rendered.camera import Camera, Road
from edge_mtl.data.rendered.figure import Clothes
from edge_mtl.data.rendered.look import Look
from edge_mtl.data.rendered.person import Cyclist, Pedestrian
from edge_mtl.data.rendered.section import Section
from edge_mtl.data.rendered.skeleton import STRIDE
from edge_mtl.data.rendered.vehicle import PAINTS, Vehicle

User = Vehicle | Pedestrian | Cyclist


@dataclass(frozen=True, slots=True)
class Ride:
    """The camera car: speed in m/s and acceleration in m/s2 until it stands."""

    speed: float
    acceleration: float

    def s(self, t: float) -> float:
        """Metres driven at a time in seconds."""
        if self.acceleration < 0:
            t = min(t, self.speed / -self.acceleration)
        return self.speed * t + 0.5 * self.acceleration * t * t

    def __call__(self, t: float) -> float:
        return self.s(t)


@dataclass(frozen=True, slots=True)
class Mover:
    """Somebody on a course: at time 0 at (s, d), speeds in m/s along s and d.

    follows: a ride whose way is added, for those who drive in front of the camera.
    """

    user: User
    s: float
    d: float
    along: float
    across: float
    follows: Ride | None = None
    sway: float = 0.0

    def posed(self, x: float, z: float, heading: float, t: float) -> User:
        """The user at a time in seconds, at a world place where the road has a heading."""
        user = self.user
        yaw = user.yaw + heading
        if isinstance(user, Vehicle):
            return replace(user, x=x, z=z, yaw=yaw)
        way = hypot(self.along, self.across) * t
        stride = STRIDE * user.height if isinstance(user, Pedestrian) else 4.2
        return replace(user, x=x, z=z, yaw=yaw, phase=user.phase + tau * way / stride)


class Traffic:
    """All road users of a clip."""

    def __init__(
        self,
        rng: np.random.Generator,
        section: Section,
        look: Look,
        ride: Ride,
        seconds: float,
        shaded: "np.ndarray",
    ) -> None:
        self._rng, self._section, self._look = rng, section, look
        self._seconds = seconds
        self._shaded = shaded
        self._bodies = [
            car_body(
                rng,
                str(
                    rng.choice(
                        ("hatchback", "saloon", "estate", "van", "bus"),
                        p=(0.36, 0.24, 0.24, 0.12, 0.04),
                    )
                ),
            )
            for _ in range(7)
        ]
        self.movers: list[Mover] = []
        reach = ride.s(seconds)
        busy = rng.uniform(0.2, 1.0)
        self._own_lanes(ride, reach, busy)
        self._oncoming(reach, busy)
        self._parked(reach)
        self._cyclists(ride, reach)
        self._walkers(reach, busy)
        if section.crossing is not None:
            self._crossers(section.crossing)
        self._ride = ride
        self._courses = np.array(
            [(m.s, m.d, m.along, m.across, m.follows is not None, m.sway) for m in self.movers]
        ).reshape(-1, 6)

    def seen(self, camera: Camera, road: Road, t: float, limit: float) -> list[User]:
        """Who may be in the picture at a time in seconds, up to a distance in metres."""
        s, d, along, across, follows, sway = self._courses.T
        s = s + along * t + follows * self._ride.s(t) + sway * np.sin(0.9 * t + d)
        x, z = road.world(s, d + across * t)
        right, _, ahead = camera.axes
        x_off, z_off = x - camera.x, z - camera.z
        forward = x_off * ahead[0] + z_off * ahead[2]
        aside = np.abs(x_off * right[0] + z_off * right[2])
        edge = (forward + 6.0) * (camera.width / (2 * camera.focal)) + 5.0
        near = (forward > -6.0) & (aside < edge) & (np.hypot(x_off, z_off) < limit)
        return [
            self.movers[i].posed(float(x[i]), float(z[i]), road.heading(float(s[i])), t)
            for i in np.flatnonzero(near).tolist()
        ]

    def _lit(self, s: float, d: float) -> float:
        """0 in the shadow of a building, 1 in the sun."""
        if self._look.sunlight == 0.0:
            return 0.0
        row = min(max(0, int(s + 4)), self._shaded.shape[0] - 1)
        column = min(max(0, int(d + 19)), self._shaded.shape[1] - 1)
        return float(self._shaded[row, column])

    def _vehicle(
        self, s: float, d: float, yaw: float, lamps: bool, body: Body | None = None
    ) -> Vehicle:
        rng = self._rng
        chosen = body or self._bodies[rng.integers(len(self._bodies))]
        b, g, r = PAINTS[rng.integers(len(PAINTS))]
        light = rng.uniform(0.85, 1.1)
        return Vehicle(
            body=chosen,
            paint_colour=(b * light, g * light, r * light),
            x=0.0,
            z=0.0,
            yaw=yaw,
            lit=self._lit(s, d),
            lamps=lamps,
            braking=False,
        )

    def _own_lanes(self, ride: Ride, reach: float, busy: float) -> None:
        rng, section = self._rng, self._section
        if rng.random() < 0.35 + 0.5 * busy:
            gap = rng.uniform(9.0, 16.0) if ride.speed < 3 else rng.uniform(13.0, 40.0)
            for _ in range(rng.integers(1, 4)):
                user = self._vehicle(gap, section.ego, 0.0, self._look.lamps)
                user = replace(user, braking=ride.acceleration < -0.2 or ride.speed == 0.0)
                self.movers.append(
                    Mover(
                        user,
                        gap,
                        section.ego + rng.normal(0, 0.12),
                        0.0,
                        0.0,
                        ride,
                        rng.uniform(0.0, 0.8),
                    )
                )
                gap += user.body.length + rng.uniform(6.0, 25.0)
        for lane in range(section.lanes - 1):
            d = section.hand * section.lane * (lane + 0.5)
            speed = ride.speed * rng.uniform(0.85, 1.25) + rng.uniform(0, 2)
            s = rng.uniform(2.0, 20.0)
            while s < reach + 90.0:
                self.movers.append(
                    Mover(self._vehicle(s, d, 0.0, self._look.lamps), s, d, speed, 0.0)
                )
                s += rng.uniform(12.0, 60.0) / busy

    def _oncoming(self, reach: float, busy: float) -> None:
        rng, section = self._rng, self._section
        for lane in range(section.lanes):
            d = -section.hand * section.lane * (lane + 0.5)
            speed = rng.uniform(5.0, 14.0)
            s = rng.uniform(6.0, 50.0)
            while s < reach + 110.0 + speed * self._seconds:
                user = self._vehicle(s, d, pi, self._look.lamps)
                self.movers.append(Mover(user, s, d + rng.normal(0, 0.15), -speed, 0.0))
                s += rng.uniform(10.0, 70.0) / busy + user.body.length

    def _parked(self, reach: float) -> None:
        rng, section = self._rng, self._section
        for side in (-1, 1):
            wide = section.parking[side > 0]
            if not wide:
                continue
            d = side * (section.lanes * section.lane + wide / 2 + 0.05)
            full = rng.uniform(0.4, 0.97)
            s = rng.uniform(-3.0, 6.0)
            while s < reach + 110.0:
                body = self._bodies[rng.integers(len(self._bodies))]
                s += body.length / 2
                clear = (
                    section.junction is None
                    or abs(s - section.junction[0]) > section.junction[1] + 7
                )
                if section.crossing is not None and abs(s - section.crossing) < 7.0:
                    clear = False
                if clear and rng.random() < full and body.length < 6.0:
                    yaw = 0.0 if (side == section.hand or rng.random() < 0.3) else pi
                    user = self._vehicle(s, d, yaw + rng.normal(0, 0.02), False, body)
                    self.movers.append(Mover(user, s, d + rng.normal(0, 0.08), 0.0, 0.0))
                s += body.length / 2 + rng.uniform(0.7, 2.2)

    def _cyclists(self, ride: Ride, reach: float) -> None:
        rng, section = self._rng, self._section
        for side in (-1, 1):
            for _ in range(rng.integers(0, 3)):
                ahead = side == section.hand
                speed = rng.uniform(3.5, 6.5)
                inner = section.lanes * section.lane - rng.uniform(0.45, 0.75)
                s = rng.uniform(9.0, reach * 0.6 + 45.0) + (0.0 if ahead else speed * self._seconds)
                along = speed if ahead else -speed
                if ride.speed == 0.0 and ahead:
                    s = max(s, 9.0)
                b, g, r = PAINTS[rng.integers(len(PAINTS))]
                user = Cyclist(
                    0.0,
                    0.0,
                    0.0 if ahead else pi,
                    rng.uniform(1.6, 1.88),
                    rng.uniform(0, tau),
                    Clothes.draw(rng),
                    (float(b), float(g), float(r)),
                    self._lit(s, side * inner),
                )
                self.movers.append(Mover(user, s, side * inner, along, 0.0))

    def _pedestrian(self, s: float, d: float, yaw: float, energy: float) -> Pedestrian:
        rng = self._rng
        tall = rng.uniform(1.05, 1.4) if rng.random() < 0.1 else rng.normal(1.71, 0.09)
        return Pedestrian(
            x=0.0,
            z=0.0,
            yaw=yaw,
            height=float(np.clip(tall, 1.0, 1.95)),
            phase=rng.uniform(0, tau),
            energy=energy,
            clothes=Clothes.draw(rng),
            lit=self._lit(s, d),
        )

    def _walkers(self, reach: float, busy: float) -> None:
        rng, section = self._rng, self._section
        crowd = {
            "high street": 1.3,
            "residential": 0.5,
            "avenue": 0.9,
            "park": 0.8,
            "arterial": 0.25,
        }
        for side in (-1, 1):
            inner, outer = section.walk(side)
            count = rng.poisson((reach + 75.0) / 14.0 * crowd[section.kind] * (0.4 + busy))
            for _ in range(min(count, 22)):
                s, d = rng.uniform(5.0, reach + 75.0), rng.uniform(inner + 0.4, outer - 0.35)
                stands = rng.random() < 0.15
                speed = 0.0 if stands else rng.uniform(0.9, 1.7)
                way = 1.0 if rng.random() < 0.5 else -1.0
                yaw = rng.uniform(-pi, pi) if stands else (0.0 if way > 0 else pi)
                for mate in range(1 if rng.random() < 0.7 else int(rng.integers(2, 4))):
                    beside = d + mate * 0.6 * (1 if d < (inner + outer) / 2 else -1) * side
                    user = self._pedestrian(s, side * beside, yaw, 0.08 if stands else 1.0)
                    self.movers.append(
                        Mover(
                            user, s + rng.uniform(-0.3, 0.3), side * abs(beside), way * speed, 0.0
                        )
                    )

    def _crossers(self, crossing: float) -> None:
        rng, section = self._rng, self._section
        left, right = -section.kerb(-1), section.kerb(1)
        for _ in range(rng.integers(0, 6)):
            way = 1.0 if rng.random() < 0.5 else -1.0
            speed = rng.uniform(0.9, 1.6)
            d = rng.uniform(left - 2.0, right + 2.0) - way * speed * self._seconds / 2
            s = crossing + rng.uniform(-1.2, 1.2)
            user = self._pedestrian(s, d, pi / 2 * way, 1.0)
            self.movers.append(Mover(user, s, d, 0.0, way * speed))
