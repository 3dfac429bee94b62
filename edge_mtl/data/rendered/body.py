"""The bodies of cars, vans and buses: closed meshes of flat faces with glass, lights and wheels."""

from dataclasses import dataclass, field
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.camera import Points

GLASS = (40.0, 37.0, 34.0)
DARK = (30.0, 30.0, 31.0)
TAIL, HEAD = (36.0, 28.0, 168.0), (225.0, 225.0, 220.0)


@dataclass(slots=True)
class Body:
    """The faces of a vehicle in its own axes (x right, y up, z ahead), metres.

    vertices: (V, 3), face after face. starts: (F + 1,) where each face's vertices begin, in the
    order of painting. normals: (F, 3), outwards. centres: (F, 3).
    colours: (F, 3) BGR; `painted` (F,) marks faces that take the car's colour times `tones`.
    fine: (F,) faces left out from afar. lamps: places of rear and front lights.
    """

    length: float
    width: float
    height: float
    vertices: Points
    starts: list[int]
    normals: Points
    colours: Points
    painted: NDArray[np.bool_]
    centres: Points
    lamps: Points
    coarse: "Body | None"


@dataclass(slots=True)
class _Mesh:
    vertices: list[tuple[float, float, float]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    colours: list[tuple[float, float, float]] = field(default_factory=list)
    painted: list[bool] = field(default_factory=list)
    fine: list[bool] = field(default_factory=list)
    outward: list[tuple[float, float, float]] = field(default_factory=list)

    def face(
        self,
        points: list[tuple[float, float, float]],
        outward: tuple[float, float, float],
        colour: tuple[float, float, float] | float,
        fine: bool = False,
    ) -> None:
        """Add a face; a plain number as colour is a tone of the car's paint."""
        self.starts.append(len(self.vertices))
        self.vertices += points
        self.outward.append(outward)
        self.painted.append(isinstance(colour, float))
        self.colours.append((colour,) * 3 if isinstance(colour, float) else colour)
        self.fine.append(fine)

    def across(
        self,
        a: tuple[float, float, float],
        b: tuple[float, float, float],
        colour: tuple[float, float, float] | float,
        fine: bool = False,
    ) -> None:
        """A face over the whole width from edge a to edge b, each (z, y, half width)."""
        outward = (0.0, (a[1] + b[1]) / 2 - 0.8, (a[0] + b[0]) / 2)
        self.face(
            [(-a[2], a[1], a[0]), (a[2], a[1], a[0]), (b[2], b[1], b[0]), (-b[2], b[1], b[0])],
            outward,
            colour,
            fine,
        )


def car_body(rng: np.random.Generator, kind: str) -> Body:
    """A "hatchback", "saloon", "estate", "van" or "bus", each with its own measures."""
    length, width, height, belt, bonnet, boot = {
        "hatchback": (3.9, 1.70, 1.46, 0.92, 0.95, 0.0),
        "saloon": (4.5, 1.78, 1.43, 0.93, 1.15, 0.75),
        "estate": (4.55, 1.82, 1.6, 1.0, 1.1, 0.0),
        "van": (4.9, 1.92, 2.05, 1.12, 0.75, 0.0),
        "bus": (10.5, 2.5, 3.05, 1.25, 0.0, 0.0),
    }[kind]
    length, width = length * rng.uniform(0.95, 1.06), width * rng.uniform(0.97, 1.03)
    height *= rng.uniform(0.97, 1.05)
    tall = kind in ("van", "bus")
    mesh = _Mesh()
    back, front = -length / 2, length / 2
    half, roof = width / 2, width / 2 * (0.95 if tall else 0.78)
    base = 0.34 if kind == "bus" else 0.24
    rear_base = back + 0.04 + boot
    rear_roof = rear_base + (0.06 if tall else rng.uniform(0.3, 0.75))
    front_base = front - bonnet - 0.05
    front_roof = front_base - (0.35 if tall else rng.uniform(0.62, 0.9))
    nose = belt - (0.0 if kind == "bus" else 0.16)
    low = half * 0.97
    mesh.across((back, base, low), (back - 0.0, 0.56, half), 0.72)
    mesh.across((back, 0.56, half), (back + 0.03, belt, half), 0.95)
    mesh.across((front, base, low), (front, 0.55, half), 0.72)
    mesh.across((front, 0.55, half), (front - 0.08, nose, half), 0.97)
    if boot:
        mesh.across((back + 0.03, belt, half), (rear_base, belt + 0.04, half * 0.94), 1.05)
    if bonnet:
        mesh.across((front - 0.08, nose, half), (front_base, belt + 0.02, half * 0.93), 1.05)
    glass_base = half * 0.93
    mesh.across((rear_base, belt, glass_base), (rear_roof, height, roof), 0.9)
    mesh.across((front_base, belt, glass_base), (front_roof, height - 0.03, roof), 0.9)
    mesh.across((rear_roof, height, roof), (front_roof, height - 0.03, roof), 1.08)
    _ends(mesh, kind, (rear_base, belt, glass_base), (rear_roof, height, roof), False)
    _ends(mesh, kind, (front_base, belt, glass_base), (front_roof, height - 0.03, roof), True)
    for x in (-1.0, 1.0):
        outward = (x, 0.0, 0.0)
        side = [
            (back, base),
            (back, 0.56),
            (back + 0.03, belt),
            (front_base, belt + 0.02),
            (front - 0.08, nose),
            (front, 0.55),
            (front, base),
        ]
        mesh.face([(x * half, y, z) for z, y in side], outward, 0.93)
        sill = [(back, base), (back, 0.44), (front, 0.44), (front, base)]
        mesh.face([(x * half, y, z) for z, y in sill], outward, 0.7, True)
        crease = [
            (back + 0.1, belt - 0.13),
            (back + 0.1, belt - 0.09),
            (front - 0.3, belt - 0.12),
            (front - 0.3, belt - 0.16),
        ]
        mesh.face([(x * half, y, z) for z, y in crease], outward, 1.12, True)
        for along in () if kind == "bus" else (0.36, 0.64):
            z = rear_base + (front_base - rear_base) * along
            seam = [(z - 0.012, 0.36), (z - 0.012, belt), (z + 0.012, belt), (z + 0.012, 0.36)]
            mesh.face([(x * half, y, at) for at, y in seam], outward, 0.55, True)
            handle = [
                (z - 0.2, belt - 0.16),
                (z - 0.2, belt - 0.12),
                (z - 0.04, belt - 0.12),
                (z - 0.04, belt - 0.16),
            ]
            mesh.face([(x * half, y, at) for at, y in handle], outward, 0.45, True)
        shine = [
            (back + 0.05, belt - 0.03),
            (back + 0.05, belt),
            (front - 0.2, belt - 0.03),
            (front - 0.2, belt - 0.07),
        ]
        mesh.face([(x * half, y, z) for z, y in shine], outward, 1.5, True)
        tilt = (x, 0.25, 0.0)
        corners = (
            (rear_base, belt),
            (rear_roof, height),
            (front_roof, height - 0.03),
            (front_base, belt),
        )
        widths = (glass_base, roof, roof, glass_base)
        mesh.face([(x * w, y, z) for (z, y), w in zip(corners, widths, strict=True)], tilt, 0.92)
        _side_windows(mesh, kind, x, corners, widths)
        for at in (back + length * 0.19, front - length * 0.19):
            radius = 0.46 if kind == "bus" else 0.31
            for r, colour in (
                (radius * 1.16, DARK),
                (radius, (24.0, 24.0, 25.0)),
                (radius * 0.64, (120.0, 122.0, 124.0)),
                (radius * 0.2, DARK),
            ):
                ring = [
                    (x * (half + 0.01), radius + r * sin(a), at + r * cos(a))
                    for a in np.linspace(0, 2 * pi, 12, endpoint=False)
                ]
                mesh.face(ring, outward, colour, r < radius)
        mirror = front_base - 0.15, belt + 0.08
        for z, sign in ((mirror[0] - 0.05, -1.0), (mirror[0] + 0.05, 1.0)):
            glass = [
                (x * half * a, mirror[1] + y, z)
                for a, y in ((0.97, -0.06), (0.97, 0.07), (1.14, 0.07), (1.14, -0.05))
            ]
            mesh.face(glass, (0.0, 0.0, sign), (40.0, 40.0, 42.0) if sign < 0 else 0.85, True)
    lamps = _lamps(mesh, kind, back, front, half, belt, nose)
    _rubber(mesh, back, front, half, base)
    return _finished(mesh, length, width, height, lamps)


def _ends(
    mesh: _Mesh,
    kind: str,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    ahead: bool,
) -> None:
    """Rear window or windscreen, with a paler reflection of the sky in its upper part."""
    a, b, c = (0.07, 0.55, 0.9) if not ahead or kind != "van" else (0.02, 0.5, 0.85)
    if kind == "van" and not ahead:
        a, b, c = 0.15, 0.45, 0.75
    grow = 0.012 if ahead else -0.012

    def edge(share: float) -> tuple[float, float, float]:
        z, y, w = (p + (q - p) * share for p, q in zip(low, high, strict=True))
        return z + grow, y, w * 0.9

    mesh.across(edge(a), edge(b), GLASS)
    mesh.across(edge(b), edge(c), (104.0, 98.0, 92.0))
    (z0, y0, w0), (z1, y1, w1) = edge(a), edge(c)
    streak = [(-0.75 * w0, y0, z0), (-0.35 * w1, y1, z1), (-0.05 * w1, y1, z1), (-0.5 * w0, y0, z0)]
    mesh.face(streak, (0.0, 0.3, z0 * 2), (84.0, 80.0, 76.0), True)


def _side_windows(
    mesh: _Mesh,
    kind: str,
    x: float,
    corners: tuple[tuple[float, float], ...],
    widths: tuple[float, ...],
) -> None:
    (z0, low), (z1, high), (z2, _), (z3, _) = corners

    def place(along: float, up: float) -> tuple[float, float, float]:
        start, end = z0 + (z1 - z0) * up, z3 + (z2 - z3) * up
        w = widths[0] + (widths[1] - widths[0]) * up + 0.012
        return x * w, low + (high - low) * up, start + (end - start) * along

    spans = {"van": ((0.68, 0.96),), "bus": tuple((i / 8 + 0.01, i / 8 + 0.115) for i in range(8))}
    for first, last in spans.get(kind, ((0.05, 0.3), (0.33, 0.62), (0.65, 0.95))):
        for bottom, top, colour in ((0.1, 0.55, GLASS), (0.55, 0.88, (84.0, 78.0, 72.0))):
            mesh.face(
                [place(first, bottom), place(first, top), place(last, top), place(last, bottom)],
                (x, 0.25, 0.0),
                colour,
                last - first < 0.27,
            )


def _lamps(
    mesh: _Mesh, kind: str, back: float, front: float, half: float, belt: float, nose: float
) -> Points:
    """Lights and number plates; returns the lights' places: two at the rear, two in front."""
    places = []
    for z, sign, colour, top in ((back, -1.0, TAIL, belt - 0.06), (front, 1.0, HEAD, nose - 0.02)):
        shift = z + sign * 0.012
        low = top - (0.24 if sign < 0 else 0.17)
        outward = (0.0, 0.0, sign)
        for x in (-1.0, 1.0):
            box = [
                (x * half * 0.62, low),
                (x * half * 0.64, top),
                (x * half * 0.96, top),
                (x * half * 0.97, low),
            ]
            mesh.face([(a, y, shift) for a, y in box], outward, colour)
            places.append((x * half * 0.8, (low + top) / 2, shift))
        plate = (60.0, 190.0, 215.0) if sign < 0 and kind != "bus" else (205.0, 208.0, 210.0)
        at = 0.5 if sign > 0 else 0.66
        mesh.face(
            [
                (-0.26, at - 0.06, shift),
                (-0.26, at + 0.06, shift),
                (0.26, at + 0.06, shift),
                (0.26, at - 0.06, shift),
            ],
            outward,
            plate,
            True,
        )
        if sign > 0:
            mesh.face(
                [
                    (-half * 0.5, 0.58, shift),
                    (-half * 0.5, top, shift),
                    (half * 0.5, top, shift),
                    (half * 0.5, 0.58, shift),
                ],
                outward,
                DARK,
                True,
            )
        mesh.face(
            [
                (-half * 0.98, 0.34, shift),
                (-half * 0.98, 0.42, shift),
                (half * 0.98, 0.42, shift),
                (half * 0.98, 0.34, shift),
            ],
            outward,
            (46.0, 46.0, 47.0),
            True,
        )
    return np.array(places)


def _rubber(mesh: _Mesh, back: float, front: float, half: float, base: float) -> None:
    """What is seen of the tyres below the bumpers, from behind and from the front."""
    for z, sign in ((back + 0.45, -1.0), (front - 0.45, 1.0)):
        for x in (-1.0, 1.0):
            inner, outer = x * half * 0.72, x * half * 0.97
            mesh.face(
                [(inner, 0.0, z), (inner, base, z), (outer, base, z), (outer, 0.0, z)],
                (0.0, 0.0, sign),
                (20.0, 20.0, 21.0),
            )
        mesh.face(
            [
                (-half * 0.7, 0.13, z),
                (-half * 0.7, base, z),
                (half * 0.7, base, z),
                (half * 0.7, 0.13, z),
            ],
            (0.0, 0.0, sign),
            (26.0, 26.0, 27.0),
        )


def _finished(
    mesh: _Mesh, length: float, width: float, height: float, lamps: Points, fine: bool = True
) -> Body:
    starts = [*mesh.starts, len(mesh.vertices)]
    kept = [i for i, detail in enumerate(mesh.fine) if fine or not detail]
    vertices = np.array([v for i in kept for v in mesh.vertices[starts[i] : starts[i + 1]]])
    begin = np.cumsum([0, *(starts[i + 1] - starts[i] for i in kept)])
    first = begin[:-1]
    a, b, c = vertices[first], vertices[first + 1], vertices[first + 2]
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    inwards = np.einsum("ij,ij->i", normals, np.array(mesh.outward)[kept]) < 0
    normals[inwards] *= -1.0
    return Body(
        length=length,
        width=width,
        height=height,
        vertices=vertices,
        starts=begin.tolist(),
        normals=normals,
        centres=np.add.reduceat(vertices, first) / np.diff(begin)[:, None],
        colours=np.array(mesh.colours)[kept],
        painted=np.array(mesh.painted)[kept],
        lamps=lamps,
        coarse=_finished(mesh, length, width, height, lamps, fine=False) if fine else None,
    )
