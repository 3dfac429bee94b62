"""A clip's street: its road, cross-section and light, for everything that is put beside it."""

from dataclasses import dataclass

import numpy as np

from edge_mtl.data.rendered.camera import Road
from edge_mtl.data.rendered.look import Look
from edge_mtl.data.rendered.section import Section


@dataclass(frozen=True, slots=True)
class Street:
    """`end`: how far along the road things are put, in metres."""

    road: Road
    section: Section
    look: Look
    end: float

    def in_mouth(self, s: float, margin: float) -> bool:
        """Whether a place along the road lies in the mouth of the side street."""
        junction = self.section.junction
        return junction is not None and abs(s - junction[0]) < junction[1] + margin

    def wall_light(self, normal: tuple[float, float, float]) -> float:
        """Brightness of an upright wall with a normal in the world, as `Canvas.shade` has it."""
        look = self.look
        sun = max(0.0, float(np.dot(normal, look.sun)))
        return 0.72 * (1.0 - 0.35 * look.sunlight) + 0.68 * look.sunlight * sun
