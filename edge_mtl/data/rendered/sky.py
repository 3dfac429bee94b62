"""The sky and the skyline at the end of the world: one panorama for a clip."""

import cv2
import numpy as np

from edge_mtl.data.rendered.canvas import Canvas, Code
from edge_mtl.data.rendered.look import Look
from edge_mtl.data.rendered.materials import noise


class Sky:
    """A strip (H, W, 4) around the horizon that the camera turns against.

    width, height: of the image; focal: pixels; turn: the most that the camera's heading moves
    away from 0 in radians, to either side.
    """

    def __init__(
        self, rng: np.random.Generator, look: Look, size: tuple[int, int], focal: float, turn: float
    ) -> None:
        margin = int(focal * turn) + 12
        columns, above, below = size[0] + 2 * margin, size[1], size[1] // 4
        self._margin, self._horizon, self._focal = margin, above, focal
        rise = np.linspace(1.0, 0.0, above, dtype=np.float32)[:, None, None] ** 0.75
        shape = above, columns
        zenith, horizon = np.array(look.zenith, np.float32), np.array(look.horizon, np.float32)
        sky = np.repeat(horizon + (zenith - horizon) * rise, columns, axis=1)
        if look.clouds > 0.05:
            small = shape[0] // 4, shape[1] // 4
            billows = noise(rng, small, rng.uniform(18.0, 60.0), 4)
            flat = cv2.resize(billows, (columns, above), interpolation=cv2.INTER_CUBIC)
            cover = np.clip(0.9 * flat + 2.2 * look.clouds - 1.3, 0.0, 1.0)[..., None]
            bright = np.minimum(255.0, horizon * rng.uniform(0.98, 1.1))
            shadow = (0.75 * bright + 0.25 * zenith) * rng.uniform(0.72, 1.0)
            depth = np.clip(0.5 + 0.4 * np.roll(flat, 9, axis=0), 0.0, 1.0)[..., None]
            sky += (
                cover
                * (0.35 + 0.65 * min(1.0, look.clouds))
                * (bright + (shadow - bright) * depth - sky)
            )
        if look.time == "night" and look.weather == "clear":
            stars = rng.integers(0, (above * 2 // 3, columns), (70, 2))
            sky[stars[:, 0], stars[:, 1]] += rng.uniform(20.0, 130.0, (70, 1)).astype(np.float32)
        self._pixels = np.zeros((above + below, columns, 4), np.uint8)
        self._pixels[:above, :, :3] = np.clip(sky, 0, 255)
        self._pixels[above:, :, :3] = np.array(look.haze, np.float32) * 0.8
        self._pixels[above:, :, 3] = Code.FAR_TREE
        self._skyline(rng, look)

    def _skyline(self, rng: np.random.Generator, look: Look) -> None:
        """Distant trees and roofs, pale with the air between."""
        columns = self._pixels.shape[1]
        haze = np.array(look.haze)
        bright = np.array(look.ambient)
        veil = float(1.0 - np.exp(-350.0 / look.haze_m))
        if veil > 0.93:
            return
        x = 0.0
        while x < columns:
            wide = rng.uniform(10.0, 60.0)
            if rng.random() < 0.4:
                colour = bright * rng.uniform(70.0, 150.0) * np.array((0.95, 0.98, 1.05))
                tall = rng.uniform(4.0, 20.0) * self._focal / 560.0
                box = np.array([[x, 0], [x, -tall], [x + wide, -tall], [x + wide, 0]])
                code = Code.FAR_BUILDING
            else:
                colour = bright * rng.uniform(0.6, 1.1) * np.array((48.0, 72.0, 66.0))
                bumps = np.linspace(0.0, np.pi, 12)
                tall = rng.uniform(5.0, 17.0) * self._focal / 560.0
                top = np.sin(bumps) ** 0.4 * tall * rng.uniform(0.75, 1.1, 12)
                box = np.stack([x - 6 + bumps / np.pi * (wide + 12), -top], axis=1)
                code = Code.FAR_TREE
            mixed = colour * (1.0 - veil) + haze * veil
            cells = np.round(np.add(box, (0, self._horizon + 1))).astype(np.int32)
            cv2.fillPoly(self._pixels, [cells], (*mixed.tolist(), int(code)))
            x += wide * rng.uniform(0.5, 1.0)

    def paint(self, canvas: Canvas) -> None:
        """Cover the whole canvas."""
        camera = canvas.camera
        height, width = canvas.pixels.shape[:2]
        left = round(self._margin + self._focal * camera.yaw)
        left = min(max(0, left), self._pixels.shape[1] - width)
        top = min(max(0, self._horizon - round(camera.horizon)), self._pixels.shape[0])
        shown = self._pixels[top : top + height, left : left + width]
        canvas.pixels[: len(shown)] = shown
        if len(shown) < height:
            canvas.pixels[len(shown) :] = self._pixels[-1, 0]
