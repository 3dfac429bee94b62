"""The paths of BDD100K and Scalabel: straight lines and Bezier curves.

The format: https://doc.bdd100k.com/format.html. A vertex of type L is the end of a straight line;
three of type C in a row are two control points and the end of a cubic curve.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

CURVE_STEPS = 12
"""A curve is drawn as so many straight lines."""

# (CURVE_STEPS, 4): how much of start, controls and end is in each point of a curve.
_T = np.linspace(0.0, 1.0, CURVE_STEPS + 1)[1:, None]
_BERNSTEIN = np.hstack([(1 - _T) ** 3, 3 * _T * (1 - _T) ** 2, 3 * _T**2 * (1 - _T), _T**3])


class Path2d(msgspec.Struct):
    """A row of "poly2d". vertices: x y in pixels. types: an L or C for each. closed: an area."""

    vertices: list[tuple[float, float]]
    types: str
    closed: bool

    def points(self) -> NDArray[np.float64]:
        """(N, 2): the path as straight lines from point to point.

        Raises:
            ValueError: there is no vertex, not one type for each vertex, or a curve lacks a vertex.
        """
        if not self.vertices:
            raise ValueError("expected a path of vertices, found none")
        if len(self.types) != len(self.vertices):
            raise ValueError(
                f"expected a type for each of {len(self.vertices)} vertices, found {self.types!r}"
            )
        vertices = np.array(self.vertices, np.float64).reshape(-1, 2)
        pieces = [vertices[:1]]
        at = 1
        while at < len(vertices):
            if self.types[at] == "C":
                curve = vertices[at - 1 : at + 3]
                if len(curve) < 4 or self.types[at : at + 3] != "CCC":
                    raise ValueError(f"expected curves of three C, found {self.types!r}")
                pieces.append(_BERNSTEIN @ curve)
                at += 3
            else:
                pieces.append(vertices[at : at + 1])
                at += 1
        return np.concatenate(pieces)
