"""The colours in which classes are drawn, in one table."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tint:
    """A colour as R, G, B and how much of it covers the picture, from 0 (nothing) to 1 (all)."""

    rgb: tuple[int, int, int]
    cover: float = 0.40

    @property
    def bgr(self) -> tuple[int, int, int]:
        """The colour in OpenCV's order."""
        return self.rgb[2], self.rgb[1], self.rgb[0]


_CLEAR = Tint((0, 0, 0), 0.0)

TINTS: dict[str, Tint] = {
    # CamVid's classes: near the data set's own colours, brighter where those would drown.
    "sky": Tint((110, 160, 230), 0.22),
    "building": Tint((190, 95, 85), 0.30),
    "pole": Tint((235, 225, 160), 0.45),
    "road": Tint((128, 64, 160), 0.30),
    "pavement": Tint((85, 85, 235), 0.40),
    "tree": Tint((110, 170, 40), 0.30),
    "signsymbol": Tint((255, 150, 60), 0.45),
    "fence": Tint((160, 120, 110), 0.40),
    "car": Tint((80, 150, 255), 0.42),
    "pedestrian": Tint((255, 80, 90), 0.50),
    "bicyclist": Tint((0, 215, 225), 0.50),
    # What else the rendered scenes label, and the box classes.
    "drivable": Tint((40, 220, 110), 0.34),
    "lane": Tint((255, 235, 60), 0.85),
    "cyclist": Tint((0, 215, 225), 0.50),
    "sign": Tint((255, 150, 60), 0.45),
    "background": _CLEAR,
    "other": _CLEAR,
    "unlabelled": _CLEAR,
    "void": _CLEAR,
}
"""By the name of the class in lower case. A class that is not here gets a hue of its own."""

_GOLDEN_RATIO = 0.6180339887498949


def tints_of(classes: Sequence[str]) -> list[Tint]:
    """The tint of every class; unknown ones get hues that lie as far apart as they can."""
    unknown = [name for name in classes if name.lower() not in TINTS]
    return [TINTS.get(name.lower()) or _hue(unknown.index(name)) for name in classes]


def _hue(number: int) -> Tint:
    # Steps of the golden ratio never come near an earlier hue, however many there are.
    hue = (0.9 + number * _GOLDEN_RATIO) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
    return Tint((round(255 * red), round(255 * green), round(255 * blue)))
