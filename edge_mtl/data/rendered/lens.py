"""Light, air and camera: what turns surface colours into a photograph of a clip's conditions."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.rendered.camera import Camera
from edge_mtl.data.rendered.canvas import Canvas, Code, Pixels
from edge_mtl.data.rendered.depth import BEYOND
from edge_mtl.data.rendered.look import Look

STREAKS = 4
"""Different pictures of falling rain."""
OWN_LIGHT = BEYOND
"""The depth code of what neither light nor air changes: of the sky and of lit windows."""


class Lens:
    """The same for all frames of a clip; `develop` gives a frame's picture.

    size: width and height in pixels.
    """

    def __init__(self, rng: np.random.Generator, look: Look, size: tuple[int, int]) -> None:
        self.look = look
        width, height = size
        self._noise = np.clip(
            128 + look.noise * rng.standard_normal((height + 64, width + 64, 3), dtype=np.float32),
            0,
            255,
        ).astype(np.uint8)
        self._grain_step = rng.integers(1, 64, 2)
        v, u = np.mgrid[0:height, 0:width].astype(np.float32)
        away = np.hypot((u / width - 0.5) * 1.1, v / height - 0.5) / 0.74
        vignette = 255.0 * (1.0 - look.vignette * away**2.5)
        self._vignette = cv2.merge([vignette.astype(np.uint8)] * 3)
        level = np.arange(256, dtype=np.float32) / 255.0
        curve = ((level - 0.4) * look.contrast + 0.4).clip(0, 1) ** look.gamma
        self._curve = (curve * 255.0).astype(np.uint8)
        self._streaks = _streaks(rng, size) if look.weather == "rain" else []
        metres = 2.0 ** (np.arange(256, dtype=np.float32) / 32.0)
        self._through = np.exp(-((metres / look.haze_m) ** 1.2)).astype(np.float32)
        ambient = np.array(look.ambient, np.float32)
        if look.time == "day":
            gain = np.repeat(ambient[None] * 200.0, 256, axis=0)
        else:
            beam = 0.9 * np.exp(-metres / 30.0) if look.lamps else 0.0 * metres
            warm = np.array((0.85, 0.97, 1.0), np.float32)
            gain = 200.0 * (ambient[None] + beam[:, None] * warm * 0.75)
        haze = np.array(look.haze, np.float32)
        self._gain = np.clip(gain * self._through[:, None], 0, 255).astype(np.uint8).T.copy()
        self._veil = (
            np.clip(haze * (1.0 - self._through[:, None]), 0, 255).astype(np.uint8).T.copy()
        )
        self._gain[:, OWN_LIGHT], self._veil[:, OWN_LIGHT] = 200, 0

    def develop(
        self,
        canvas: Canvas,
        codes: Pixels,
        depth: Pixels,
        first_row: int,
        pools: Pixels | None,
        frame: int,
    ) -> Pixels:
        """The picture (H, W, 3) of what was painted.

        codes: the canvas's fourth channel. depth: as `depth_codes` gives. first_row: of the ground.
        pools: light of street lamps on the ground's rows, where they are on.
        """
        image = cv2.cvtColor(canvas.pixels, cv2.COLOR_BGRA2BGR)
        if self.look.lamps:
            depth = depth.copy()
            depth[codes == Code.LIT_WINDOW] = OWN_LIGHT
        gain = cv2.merge([cv2.LUT(depth, table) for table in self._gain])
        if pools is not None:
            self._add_lamplight(gain, codes, first_row, pools)
        image = cv2.multiply(image, gain, scale=1 / 200)
        image = cv2.add(image, cv2.merge([cv2.LUT(depth, table) for table in self._veil]))
        if self.look.wet:
            self._reflect(canvas.camera, image, codes, first_row)
        self._glow(canvas, image, codes)
        return self._expose(image, frame)

    def _add_lamplight(self, gain: Pixels, codes: Pixels, first_row: int, pools: Pixels) -> None:
        on_ground = cv2.inRange(codes[first_row:], int(Code.ROAD), int(Code.VERGE))
        light = cv2.bitwise_and(pools, on_ground)
        strength = 0.6 if self.look.time == "night" else 0.12
        tint = np.array((0.55, 0.8, 1.0)) * strength
        coloured = cv2.merge([cv2.multiply(light, float(t)) for t in tint])
        below = gain[first_row:]
        cv2.add(below, coloured, dst=below)

    def _reflect(self, camera: Camera, image: Pixels, codes: Pixels, first_row: int) -> None:
        """The upper half of the picture, blurred and upside down, on the wet road."""
        height, width = image.shape[:2]
        horizon = min(max(1, round(camera.horizon)), height - 1)
        rows = min(horizon, height - first_row)
        small = cv2.resize(image[horizon - rows : horizon], (width // 4, max(1, rows // 4)))
        soft = cv2.blur(cv2.flip(small, 0), (3, 15))
        mirrored = cv2.resize(soft, (width, rows))
        falloff = 0.62 * self.look.wet * np.linspace(1.0, 0.0, rows, dtype=np.float32) ** 0.7
        road = cv2.inRange(codes[first_row : first_row + rows], int(Code.ROAD), int(Code.PAVEMENT))
        weight = (road * falloff[:, None]).astype(np.uint8)
        weight3 = cv2.merge([weight] * 3)
        below = image[first_row : first_row + rows]
        kept = cv2.multiply(below, cv2.bitwise_not(weight3), scale=1 / 255)
        cv2.add(kept, cv2.multiply(mirrored, weight3, scale=1 / 255), dst=below)

    def _glow(self, canvas: Canvas, image: Pixels, codes: Pixels) -> None:
        """Light sources that nothing hides: a bright core and a halo that the air widens."""
        height, width = codes.shape
        night = {"day": 0.35, "dusk": 0.75, "night": 1.0}[self.look.time]
        spread = {"clear": 5.0, "overcast": 5.0, "rain": 8.0, "fog": 9.0}[self.look.weather]
        for glow in canvas.glows:
            u, v = int(glow.u), int(glow.v)
            if not (0 <= u < width and 0 <= v < height) or codes[v, u] != glow.code:
                continue
            core = max(glow.radius, 0.8)
            colour = np.array(glow.colour, np.float32)
            bright = np.minimum(255.0, colour + 70.0).tolist()
            cv2.circle(image, (u, v), max(1, round(core * 0.8)), bright, -1, cv2.LINE_AA)
            reach = int(min(90.0, 3.0 + spread * core * night))
            self._add_halo(image, u, v, reach, colour * (0.55 * night))
            if self.look.wet and v > canvas.camera.horizon - 30:
                ground = v + 2.0 * core + 0.03 * height
                self._add_halo(image, u, int(ground), reach, colour * (0.3 * night), 3)

    def _add_halo(
        self, image: Pixels, u: int, v: int, reach: int, colour: NDArray[np.float32], tall: int = 1
    ) -> None:
        height, width = image.shape[:2]
        high = reach * tall
        left, right = max(0, u - reach), min(width, u + reach + 1)
        top, bottom = max(0, v - high), min(height, v + high + 1)
        if right <= left or bottom <= top:
            return
        fade = cv2.resize(_HALO, (2 * reach + 1, 2 * high + 1))
        fade = fade[top - v + high : bottom - v + high, left - u + reach : right - u + reach]
        halo = cv2.merge([cv2.multiply(fade, c / 255.0) for c in colour.tolist()])
        region = image[top:bottom, left:right]
        cv2.add(region, halo, dst=region)

    def _expose(self, image: Pixels, frame: int) -> Pixels:
        look = self.look
        height, width = image.shape[:2]
        if self._streaks:
            streak = self._streaks[frame % STREAKS]
            start = (frame * 37) % 60, (frame * 61) % 60
            cv2.add(
                image, streak[start[0] : start[0] + height, start[1] : start[1] + width], dst=image
            )
        if look.blur:
            image = (
                cv2.GaussianBlur(image, (0, 0), look.blur)
                if look.blur > 0.7
                else cv2.GaussianBlur(image, (3, 3), look.blur)
            )
        image = cv2.multiply(image, self._vignette, scale=1 / 255)
        image = cv2.LUT(image, self._curve)
        offset = (frame * self._grain_step) % 64
        grain = self._noise[offset[0] : offset[0] + height, offset[1] : offset[1] + width]
        image = cv2.addWeighted(image, 1.0, grain, 1.0, -128.0)
        if look.jpeg:
            coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg])[1]
            image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        return image


def _halo() -> Pixels:
    """A round fade from 255 in the middle to 0."""
    steps = np.linspace(-1.0, 1.0, 65)
    away = np.minimum(1.0, np.hypot(steps[None], steps[:, None]))
    return (255.0 * (1.0 - away) ** 2).astype(np.uint8)


_HALO = _halo()


def _streaks(rng: np.random.Generator, size: tuple[int, int]) -> list[Pixels]:
    """Pictures of falling rain, somewhat larger than the image, to add to it."""
    width, height = size[0] + 64, size[1] + 64
    pictures = []
    slant = rng.uniform(-0.25, 0.25)
    for _ in range(STREAKS):
        picture = np.zeros((height, width), np.uint8)
        for _ in range(rng.integers(120, 260)):
            x, y = rng.uniform(0, width), rng.uniform(-20, height)
            length = rng.uniform(6.0, 34.0)
            start, end = (int(x), int(y)), (int(x + slant * length), int(y + length))
            cv2.line(picture, start, end, int(rng.uniform(14, 48)), 1, cv2.LINE_AA)
        pictures.append(cv2.merge([cv2.blur(picture, (2, 3))] * 3))
    return pictures
