"""The cross-section of a street: lanes, parking, verges, pavements, and what crosses it."""

from dataclasses import dataclass

import numpy as np

STREETS = ("high street", "residential", "avenue", "park", "arterial")


@dataclass(frozen=True, slots=True)
class Section:
    """Widths in metres; pairs are (left of the centre line, right of it).

    kind: one of `STREETS`. hand: 1 where people drive on the right, -1 on the left.
    lanes: in each direction. crossing: place along the road of a pedestrian crossing.
    junction: place along the road and half width of a street that crosses it.
    """

    kind: str
    hand: int
    lanes: int
    lane: float
    parking: tuple[float, float]
    verge: tuple[float, float]
    pavement: tuple[float, float]
    setback: tuple[float, float]
    crossing: float | None
    junction: tuple[float, float] | None

    def kerb(self, side: int) -> float:
        """Distance of a side's kerb from the centre line; side is -1 (left) or 1 (right)."""
        return self.lanes * self.lane + self.parking[side > 0]

    def walk(self, side: int) -> tuple[float, float]:
        """Distances of the inner and outer edge of a side's pavement from the centre line."""
        inner = self.kerb(side) + self.verge[side > 0]
        return inner, inner + self.pavement[side > 0]

    def front(self, side: int) -> float:
        """Distance of a side's building line from the centre line."""
        return self.walk(side)[1] + self.setback[side > 0]

    @property
    def ego(self) -> float:
        """Where the camera's lane has its middle."""
        return self.hand * self.lane * (self.lanes - 0.5)

    @staticmethod
    def draw(rng: np.random.Generator, reach: float) -> "Section":
        """A street; `reach` is how far along it the camera will get, in metres."""
        kind = str(rng.choice(STREETS, p=(0.34, 0.24, 0.16, 0.14, 0.12)))
        both = rng.uniform(size=2) < 0.5
        low, high = {
            "high street": (1.8, 4.2),
            "residential": (1.4, 2.4),
            "avenue": (2.2, 4.0),
            "park": (1.8, 3.2),
            "arterial": (1.4, 2.4),
        }[kind]
        pavement = rng.uniform(low, high, 2)
        parks = {"high street": 0.45, "residential": 0.6, "avenue": 0.4, "park": 0.4}
        parked = rng.random(2) < parks.get(kind, 0.0)
        grass = kind in ("avenue", "park", "arterial") or (kind == "residential" and both[0])
        setback = {
            "high street": (0.0, 0.5),
            "residential": (2.5, 7.0),
            "avenue": (1.0, 5.0),
            "park": (1.0, 4.0),
            "arterial": (4.0, 9.0),
        }[kind]
        lanes = 2 if kind == "arterial" or (kind == "avenue" and both[1]) else 1
        return Section(
            kind=kind,
            hand=int(rng.choice((-1, 1))),
            lanes=lanes,
            lane=float(rng.uniform(2.9, 3.7)),
            parking=(2.1 if parked[0] else 0.0, 2.1 if parked[1] else 0.0),
            verge=tuple(rng.uniform(1.0, 2.8, 2)) if grass else (0.0, 0.0),
            pavement=(float(pavement[0]), float(pavement[1])),
            setback=tuple(rng.uniform(*setback, 2)),
            crossing=reach + rng.uniform(8.0, 35.0) if rng.random() < 0.45 else None,
            junction=(rng.uniform(15.0, reach + 50.0), rng.uniform(3.2, 5.5))
            if rng.random() < 0.5
            else None,
        )
