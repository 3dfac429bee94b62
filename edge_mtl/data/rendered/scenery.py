"""Everything that stands in a clip, and which of it a camera sees."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.camera import Camera
from edge_mtl.data.rendered.canvas import Canvas


class Item(Protocol):
    """Something that is painted."""

    def distance(self, camera: Camera) -> float:
        """Metres from the camera, for painting from far to near."""

    def paint(self, canvas: Canvas) -> None:
        """Paint it where it is seen."""


class Fixture(Item, Protocol):
    """Something that stands in the world."""

    @property
    def visible_m(self) -> float:
        """From how far it is drawn, in metres."""

    @property
    def ends(self) -> tuple[object, object]:
        """Its two ends on the ground, (x, z) in metres; the same place twice if it is narrow."""


class Scenery:
    """Fixtures, arranged to find those in front of a camera quickly."""

    def __init__(self, fixtures: list[Fixture]) -> None:
        self._fixtures = fixtures
        self._ends: NDArray[np.float64] = np.array([fixture.ends for fixture in fixtures])
        self._visible_m = np.array([fixture.visible_m for fixture in fixtures])

    def seen(self, camera: Camera, limit: float) -> list[Fixture]:
        """The fixtures that the camera may see, up to a distance in metres."""
        right, _, ahead = camera.axes
        offset = self._ends - (camera.x, camera.z)
        forward = offset @ ahead[[0, 2]]
        aside = offset @ right[[0, 2]]
        edge = forward.clip(0.0) * (camera.width / (2 * camera.focal)) + 5.0
        out = (aside < -edge).all(axis=1) | (aside > edge).all(axis=1)
        distance = np.hypot(offset[..., 0], offset[..., 1]).min(axis=1)
        keep = ~out & (forward > 0.5).any(axis=1)
        keep &= distance < np.minimum(limit, self._visible_m)
        return [self._fixtures[i] for i in np.flatnonzero(keep).tolist()]
