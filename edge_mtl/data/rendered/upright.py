"""`Upright`: where a narrow thing stands."""

from dataclasses import dataclass
from math import hypot

from edge_mtl.data.rendered.camera import Camera


@dataclass(frozen=True, slots=True)
class Upright:
    """Stands at a world place x, z in metres; see `Fixture`."""

    x: float
    z: float

    @property
    def ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        return (self.x, self.z), (self.x, self.z)

    def distance(self, camera: Camera) -> float:
        return hypot(self.x - camera.x, self.z - camera.z)
