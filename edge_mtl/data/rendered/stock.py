"""The few textures and sprites that a clip's street is built from."""

import numpy as np

from edge_mtl.data.rendered.canvas import Code, Surface
from edge_mtl.data.rendered.facade import TEXELS, Facade, Style, plain_wall
from edge_mtl.data.rendered.materials import noise
from edge_mtl.data.rendered.street import Street
from edge_mtl.data.rendered.tree import Sprite, bare, conifer, leafy


class Stock:
    """Fronts with the walls of their gables, trees of one season, and a hedge."""

    def __init__(self, rng: np.random.Generator, street: Street) -> None:
        self.fronts: list[tuple[Facade, Surface]] = []
        self.trees: list[Sprite] = []
        kind = street.section.kind
        lit = {"day": 0.02, "dusk": 0.2, "night": 0.35}[street.look.time]
        low, high = {
            "high street": (2, 5),
            "residential": (2, 3),
            "avenue": (2, 6),
            "park": (2, 5),
            "arterial": (2, 7),
        }[kind]
        for _ in range(7):
            style = Style.draw(rng, shops=kind == "high street" or rng.random() < 0.2)
            width = (
                rng.uniform(5.0, 9.0)
                if kind in ("high street", "residential")
                else rng.uniform(8.0, 18.0)
            )
            facade = Facade(rng, style, width, int(rng.integers(low, high)), lit)
            bare_wall = plain_wall(rng, style, (int(6 * TEXELS), int(6 * TEXELS)))
            light = street.wall_light((0.0, 0.0, -1.0))
            gable = np.dstack(
                [
                    np.clip(bare_wall * 0.9 * light, 0, 255).astype(np.uint8),
                    np.full(bare_wall.shape[:2], Code.FACADE, np.uint8),
                ]
            )
            self.fronts.append((facade, Surface(gable)))
        season = rng.random()
        for _ in range(3):
            pick = rng.random()
            if pick < 0.12:
                self.trees.append(conifer(rng))
            elif season < 0.4:
                self.trees.append(bare(rng))
            else:
                self.trees.append(leafy(rng, rng.uniform(0.8, 1.4)))
        leaves = noise(rng, (72, 512), 5.0, 3)
        green = np.array((rng.uniform(26, 48), rng.uniform(62, 90), rng.uniform(44, 72)))
        fade = np.linspace(1.15, 0.5, 72)[:, None]
        texture = np.clip((1.0 + 0.36 * leaves)[..., None] * green * fade[..., None], 0, 255)
        code = np.full((72, 512), Code.HEDGE, np.uint8)
        self.hedge = Surface(np.dstack([texture.astype(np.uint8), code]))
        self._sunlit: dict[tuple[int, int], Surface] = {}
        self._street = street

    def front(self, index: int, side: int) -> Surface:
        """A front in the light that its side of the street gets."""
        if (index, side) not in self._sunlit:
            light = self._street.wall_light((-float(side), 0.0, 0.0))
            pixels = self.fronts[index][0].surface.level(0, 0)
            shown = np.clip(pixels.astype(np.float32) * np.float32(light), 0, 255)
            shown[..., 3] = pixels[..., 3]
            lamps = pixels[..., 3] == Code.LIT_WINDOW
            shown[lamps] = pixels[lamps]
            self._sunlit[index, side] = Surface(shown.astype(np.uint8))
        return self._sunlit[index, side]
