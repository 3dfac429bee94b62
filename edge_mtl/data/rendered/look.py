"""The conditions of a clip: time of day, weather and the lens, drawn once from its seed."""

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

TIMES = ("day", "dusk", "night")
WEATHERS = ("clear", "overcast", "rain", "fog")

Bgr = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """Light, air and lens of a clip. Colours are BGR, 0 to 255.

    sun: unit vector towards the sun. sunlight: its strength against the sky's, 0 to 1.
    ambient: what white looks like in the sky's light, by channel, 0 to 1.
    zenith, horizon: colours of the sky. haze: colour of distant air; haze_m: the distance in
    metres over which 1 - 1/e of a colour is lost to it.
    wet: how far the road mirrors, 0 to 1. lamps: whether street lamps and car lights are on.
    gamma, contrast: of the camera; blur: radius in pixels; noise: standard deviation in
    grey levels; vignette: loss of light in the corners; jpeg: quality, 0 for none.
    """

    time: str
    weather: str
    sun: NDArray[np.float64]
    sunlight: float
    ambient: Bgr
    zenith: Bgr
    horizon: Bgr
    clouds: float
    haze: Bgr
    haze_m: float
    wet: float
    lamps: bool
    gamma: float
    contrast: float
    blur: float
    noise: float
    vignette: float
    jpeg: int

    @staticmethod
    def draw(rng: np.random.Generator) -> "Look":
        """The look of a clip: 60 % day, 20 % dusk, 20 % night."""
        time = str(rng.choice(TIMES, p=(0.6, 0.2, 0.2)))
        weather = str(rng.choice(WEATHERS, p=(0.45, 0.25, 0.18, 0.12)))
        azimuth = rng.uniform(0.0, 2.0 * np.pi)
        clear = weather == "clear"
        if time == "day":
            elevation = radians(rng.uniform(22.0, 60.0))
            sunlight = rng.uniform(0.6, 1.0) if clear else rng.uniform(0.0, 0.12)
            level = rng.uniform(0.9, 1.15) if clear else rng.uniform(0.75, 1.05)
            warm = rng.uniform(-0.03, 0.05)
            ambient = (level * (1.0 - warm), level, level * (1.0 + warm))
            blue = rng.uniform(0.0, 1.0) ** 1.5
            if clear:
                zenith = (245.0, 228 - 62 * blue, 205 - 105 * blue)
                horizon = (252.0, 248.0, 242.0 - 14 * blue)
            else:
                grey = rng.uniform(150.0, 245.0)
                zenith, horizon = (grey * 1.02, grey, grey * 0.98), (246.0, 244.0, 242.0)
        elif time == "dusk":
            elevation = radians(rng.uniform(4.0, 10.0))
            sunlight = rng.uniform(0.1, 0.5) if clear else 0.0
            level = rng.uniform(0.28, 0.5)
            ambient = (level * rng.uniform(0.95, 1.15), level * 0.98, level)
            if clear:
                zenith, horizon = (150.0, 105.0, 80.0), (120.0, 165.0, rng.uniform(200.0, 240.0))
            else:
                grey = rng.uniform(80.0, 130.0)
                zenith, horizon = (
                    (grey * 1.1, grey, grey * 0.95),
                    (grey * 1.4, grey * 1.38, grey * 1.35),
                )
        else:
            elevation, sunlight = radians(40.0), 0.0
            level = rng.uniform(0.12, 0.3)
            ambient = (level * 1.15, level, level * 0.95)
            glow = rng.uniform(18.0, 60.0)
            zenith, horizon = (glow * 0.5, glow * 0.35, glow * 0.3), (glow * 0.8, glow, glow * 1.25)
        haze_m = {"clear": 900.0, "overcast": 500.0, "rain": 170.0, "fog": 45.0}[weather]
        haze_m *= rng.uniform(0.7, 1.4)
        if weather == "fog":
            mist = {"day": rng.uniform(185.0, 225.0), "dusk": 105.0, "night": 34.0}[time]
            zenith = horizon = haze = (mist * 1.01, mist, mist * 0.98)
        else:
            haze = horizon
        tint = rng.uniform(0.93, 1.07), 1.0, rng.uniform(0.93, 1.07)
        ambient, zenith, horizon, haze = (
            _times(colour, tint) for colour in (ambient, zenith, horizon, haze)
        )
        return Look(
            time=time,
            weather=weather,
            sun=np.array(
                [sin(azimuth) * cos(elevation), sin(elevation), cos(azimuth) * cos(elevation)]
            ),
            sunlight=sunlight,
            ambient=ambient,
            zenith=zenith,
            horizon=horizon,
            clouds={"clear": rng.uniform(0.0, 0.8), "overcast": 1.0, "rain": 1.0, "fog": 0.0}[
                weather
            ],
            haze=haze,
            haze_m=haze_m,
            wet=rng.uniform(0.5, 1.0) if weather == "rain" else 0.0,
            lamps=time != "day" or (weather in ("fog", "rain") and rng.random() < 0.6),
            gamma=rng.uniform(0.8, 1.2),
            contrast=rng.uniform(1.0, 1.4),
            blur=float(rng.choice((0.0, 0.0, 0.45, 0.6, 0.9))),
            noise=rng.uniform(1.0, 3.5) * {"day": 1.0, "dusk": 1.5, "night": 2.0}[time],
            vignette=rng.uniform(0.0, 0.35),
            jpeg=int(rng.choice((0, 0, 0, 45, 75))),
        )


def _times(colour: Bgr, tint: Bgr) -> Bgr:
    return colour[0] * tint[0], colour[1] * tint[1], colour[2] * tint[2]
