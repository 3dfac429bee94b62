"""Facades: walls with windows, doors and shop fronts, as textures in daylight."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.canvas import Code, Surface
from edge_mtl.data.rendered.materials import masonry, noise

TEXELS = 26
"""Texels to a metre."""
Image = NDArray[np.float32]

BRICK = ((70, 88, 140), (88, 110, 158), (110, 150, 178), (60, 72, 118), (130, 165, 190))
RENDER = ((205, 215, 222), (175, 200, 215), (225, 228, 230), (160, 185, 200), (190, 190, 200))
STONE = ((150, 170, 182), (128, 148, 160), (160, 165, 168), (105, 120, 130))
FASCIA = ((40, 30, 150), (120, 50, 20), (40, 90, 30), (30, 30, 35), (200, 205, 210), (30, 110, 190))


@dataclass(frozen=True, slots=True)
class Style:
    """What one building is made of. Sizes in metres; colours BGR."""

    wall: str
    colour: NDArray[np.float32]
    storey: float
    bay: float
    window: tuple[float, float]
    frame: float
    shop: bool
    modern: bool

    @staticmethod
    def draw(rng: np.random.Generator, shops: bool) -> "Style":
        wall = str(rng.choice(("brick", "render", "stone", "concrete"), p=(0.45, 0.25, 0.2, 0.1)))
        choice = {"brick": BRICK, "render": RENDER, "stone": STONE, "concrete": STONE}[wall]
        colour = np.array(choice[rng.integers(len(choice))], np.float32)
        return Style(
            wall=wall,
            colour=(colour + (colour.mean() - colour) * rng.uniform(0.1, 0.6)).astype(np.float32)
            * np.float32(rng.uniform(0.7, 1.1)),
            storey=rng.uniform(2.8, 3.5),
            bay=rng.uniform(1.9, 3.4),
            window=(rng.uniform(0.85, 1.5), rng.uniform(1.2, 1.9)),
            frame=rng.choice((235.0, 225.0, 60.0, 40.0)),
            shop=shops and rng.random() < 0.8,
            modern=wall == "concrete" or rng.random() < 0.12,
        )


class Facade:
    """The front of a building: `surface` for `Canvas.textured`, width and height in metres."""

    def __init__(
        self, rng: np.random.Generator, style: Style, width: float, storeys: int, lit: float
    ) -> None:
        self.style, self.width = style, width
        self.height = storeys * style.storey + (0.9 if style.shop else 0.5)
        rows, columns = int(self.height * TEXELS), int(width * TEXELS)
        wall = plain_wall(rng, style, (rows, columns))
        self._codes = np.full((rows, columns), Code.FACADE, np.uint8)
        self._lit = lit
        ground = int((style.storey + (0.5 if style.shop else 0.2)) * TEXELS)
        upper = int(style.storey * TEXELS)
        first = ground if style.shop or rng.random() < 0.5 else 0
        line = rows - ground
        if style.modern:
            self._ribbons(rng, wall, line, upper)
        else:
            self._windows(rng, wall, line, upper)
        if style.shop:
            self._shop(rng, wall, ground)
        else:
            self._ground_floor(rng, wall, ground)
        eave = max(3, int(0.22 * TEXELS))
        wall[:eave] *= rng.uniform(0.55, 1.25)
        wall[eave : eave + 4] *= 0.62
        if first and not style.modern:
            wall[line - 3 : line] *= 1.18
            wall[line : line + 2] *= 0.7
        if rng.random() < 0.6:
            at = int(rng.choice((0.03, 0.97)) * columns)
            wall[eave:, max(0, at - 1) : at + 2] *= 0.5
        stains = 1.0 + 0.06 * cv2.resize(
            noise(rng, (rows // 8 + 1, columns // 8 + 1), 7.0, 2), (columns, rows)
        )
        fall = np.linspace(1.03, 0.92, rows, dtype=np.float32)
        wall *= (stains * fall[:, None])[..., None]
        pixels = np.dstack([np.clip(wall, 0, 255).astype(np.uint8), self._codes])
        self.surface = Surface(pixels)

    def _pane(
        self, rng: np.random.Generator, wall: Image, box: tuple[int, int, int, int], bars: int
    ) -> None:
        """A window in a reveal: x y of the corner, width and height in texels."""
        x, y, w, h = box
        rows, columns = wall.shape[:2]
        if x < 1 or y < 1 or x + w >= columns - 1 or y + h >= rows or w < 3 or h < 3:
            return
        wall[y - 2 : y + h + 2, x - 1 : x + w + 1] *= 0.5
        wall[y : y + h, x : x + w] = self.style.frame
        inset = slice(y + 2, y + h - 1), slice(x + 2, x + w - 2)
        glass = wall[inset]
        if rng.random() < self._lit:
            warmth = rng.uniform(0.55, 1.0)
            glass[:] = np.array((110.0, 190.0, 245.0)) * warmth
            glass[: h // 3] *= rng.uniform(0.6, 1.0)
            self._codes[inset] = Code.LIT_WINDOW
        else:
            fade = np.linspace(rng.uniform(0.7, 1.6), rng.uniform(0.3, 0.8), glass.shape[0])
            tone = np.array((60.0, 55.0, 50.0)) * rng.uniform(0.3, 1.6)
            glass[:] = (fade[:, None, None] * tone).astype(np.float32)
            if rng.random() < 0.35:
                edge = max(1, glass.shape[1] // 4)
                glass[:, :edge] = glass[:, -edge:] = rng.uniform(110.0, 190.0)
            elif rng.random() < 0.2:
                glass[: int(glass.shape[0] * rng.uniform(0.3, 0.9))] = rng.uniform(130.0, 200.0)
        if bars:
            middle = x + w // 2
            wall[y : y + h, middle : middle + 1] = self.style.frame * 0.92
            wall[y + h // 2 : y + h // 2 + 1, x : x + w] = self.style.frame * 0.92
        wall[y + h : y + h + 2, max(0, x - 2) : x + w + 2] = self.style.frame * 0.8
        wall[y + h + 2 : y + h + 4, max(0, x - 2) : x + w + 2] *= 0.75

    def _columns(self, columns: int) -> list[int]:
        count = max(1, int(self.width / self.style.bay))
        return [int((i + 0.5) * columns / count) for i in range(count)]

    def _windows(self, rng: np.random.Generator, wall: Image, line: int, upper: int) -> None:
        w, h = (int(side * TEXELS) for side in self.style.window)
        h = min(h, upper - 14)
        bars = int(rng.random() < 0.6)
        top = line - upper
        while top > -upper // 3:
            for x in self._columns(wall.shape[1]):
                self._pane(rng, wall, (x - w // 2, top + (upper - h) // 2, w, h), bars)
            top -= upper

    def _ribbons(self, rng: np.random.Generator, wall: Image, line: int, upper: int) -> None:
        top = line - upper
        step = max(8, int(self.style.bay * TEXELS / 2))
        while top > -upper // 3:
            for x in range(4, wall.shape[1] - step, step):
                self._pane(rng, wall, (x, top + upper // 4, step - 1, upper // 2 + 6), 0)
            top -= upper

    def _ground_floor(self, rng: np.random.Generator, wall: Image, ground: int) -> None:
        rows, columns = wall.shape[:2]
        w, h = (int(side * TEXELS) for side in self.style.window)
        door = int(rng.integers(0, max(1, len(self._columns(columns)))))
        for index, x in enumerate(self._columns(columns)):
            if index == door:
                high, half = int(2.1 * TEXELS), int(0.5 * TEXELS)
                top = rows - high
                wall[top - 4 : rows, max(0, x - half - 3) : x + half + 3] = 210.0
                paint = np.array(FASCIA[rng.integers(len(FASCIA))], np.float32)
                wall[top:rows, max(0, x - half) : x + half] = paint * 0.8
                wall[top : top + 9, max(0, x - half) : x + half] = 60.0
            else:
                self._pane(rng, wall, (x - w // 2, rows - int(0.9 * TEXELS) - h, w, h), 1)

    def _shop(self, rng: np.random.Generator, wall: Image, ground: int) -> None:
        """A shop front: fascia with lettering, display windows, a door, perhaps an awning."""
        rows, columns = wall.shape[:2]
        top = rows - ground + 4
        fascia = int(rng.uniform(0.45, 0.8) * TEXELS)
        paint = np.array(FASCIA[rng.integers(len(FASCIA))], np.float32)
        wall[top:rows] = paint * 0.75
        wall[top : top + fascia] = paint
        ink = 235.0 if paint.mean() < 130 else 30.0
        x, end = int(columns * rng.uniform(0.1, 0.4)), int(columns * rng.uniform(0.6, 0.9))
        while x < end:
            letter = int(rng.integers(3, 8))
            tall = int(rng.integers(fascia // 3, max(fascia // 3 + 1, fascia * 2 // 3)))
            base = top + fascia - fascia // 5
            wall[base - tall : base, x : x + letter - 1] = ink
            wall[base - tall // 2 : base - tall // 3, x + 1 : x + letter - 1] = paint
            x += letter + (4 if rng.random() < 0.15 else 1)
        wall[top + fascia : top + fascia + 3] *= 0.5
        pane_top, pane_bottom = top + fascia + 4, rows - int(rng.uniform(0.15, 0.6) * TEXELS)
        x = 5
        while x < columns - 20:
            w = int(rng.uniform(1.0, 2.4) * TEXELS)
            area = slice(pane_top, pane_bottom), slice(x, min(x + w, columns - 5))
            pane = wall[area]
            if not pane.size:
                break
            pane[:] = np.array((62.0, 58.0, 54.0)) * rng.uniform(0.5, 1.5)
            for _ in range(rng.integers(4, 14)):
                px = int(rng.integers(0, max(1, pane.shape[1] - 3)))
                py = int(rng.integers(pane.shape[0] // 3, pane.shape[0]))
                size = rng.integers(2, 11, 2)
                pane[py : py + size[0], px : px + size[1]] = rng.uniform(30.0, 170.0) + rng.uniform(
                    -28.0, 28.0, 3
                )
            if self._lit and rng.random() < 0.75:
                pane *= rng.uniform(1.2, 1.7)
                pane += np.array((35.0, 60.0, 75.0), np.float32) * np.float32(rng.uniform(0.3, 1.1))
                self._codes[area] = Code.LIT_WINDOW
            else:
                pane[: pane.shape[0] // 3] += rng.uniform(0.0, 60.0)
            x += w + 4
        if rng.random() < 0.25:
            drop = int(0.5 * TEXELS)
            stripes = (np.arange(columns) // 8 % 2)[None, :, None]
            colour = np.where(stripes, paint, 225.0)
            wall[top + fascia : top + fascia + drop] = colour
            wall[top + fascia + drop : top + fascia + drop + 6] *= 0.5


def plain_wall(rng: np.random.Generator, style: Style, shape: tuple[int, int]) -> Image:
    """A wall (H, W, 3) without openings."""
    if style.wall == "brick":
        pattern = masonry(rng, shape, (2, 6), 0.17, 0.9)
    elif style.wall == "stone":
        pattern = masonry(rng, shape, (9, 18), 0.1, 0.78)
    elif style.wall == "concrete":
        pattern = masonry(rng, shape, (int(style.storey * TEXELS), 60), 0.03, 0.8)
    else:
        pattern = np.ones(shape, np.float32)
    pattern = pattern + 0.04 * rng.standard_normal(shape, dtype=np.float32)
    return np.ascontiguousarray(pattern[..., None] * style.colour)
