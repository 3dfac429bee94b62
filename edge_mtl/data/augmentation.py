"""`Augmentation`: what of a sample is varied, and how strongly."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge_mtl.tasks import Fraction

Positive = Annotated[float, Meta(gt=0.0)]


class Augmentation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How strongly samples are varied. Probabilities are per sample; 0 turns a variation off."""

    scale: tuple[Positive, Positive] = (0.6, 1.6)
    """Smallest and largest size of the image relative to its letterbox fit, log-uniform. The part
    shown, or the place in the padding, is uniform."""
    rotate_deg: Annotated[float, Meta(ge=0.0, le=45.0)] = 2.0
    """Largest rotation either way: how crooked a camera is mounted, how a car rolls."""
    flip: Fraction = 0.5
    """Probability of mirroring: also turns left-hand traffic into right-hand traffic."""

    mosaic: Fraction = 0.0
    """Probability of a picture of four samples, this one and three partners (`data.mosaic`), each
    filling its quarter or up to `scale[1]` times as large."""
    copy_paste: Fraction = 0.0
    """Probability of objects of a partner standing in the scene too (`data.copy_paste`)."""
    copy_paste_thin: tuple[str, ...] = ("Pole",)
    """Classes of the mask "segmentation" that have no boxes and are pasted all the same."""
    fourier: Fraction = 0.0
    """Probability of mixing in the colours and the light of a partner (`data.fourier`)."""

    brightness: Fraction = 0.35
    """Largest change of exposure: all values times a factor within [1/(1+b), 1+b]."""
    contrast: tuple[Positive, Positive] = (0.6, 1.2)
    """Smallest and largest factor of contrast about the picture's mean, log-uniform: haze, glare.
    About mid-grey instead, a dark picture would turn black."""
    gamma: tuple[Positive, Positive] = (0.45, 1.3)
    """Smallest and largest exponent of the tone curve, log-uniform; below 1 brightens. This and
    contrast lean away from black because CamVid's streets are darker than most dash-cams'."""
    colour_cast: Fraction = 0.12
    """Largest change of each channel's gain, within [1/(1+c), 1+c]: white balance, tinted glass."""
    saturation: Fraction = 0.6
    """Largest change of saturation either way, as part of the picture's own."""
    hue_deg: Annotated[float, Meta(ge=0.0, le=180.0)] = 12.0
    """Largest rotation of colours about the grey axis."""
    grey: Fraction = 0.05
    """Probability of no colour at all: night-vision cameras, and shapes learned without colour."""
    shadow: Fraction = 0.2
    """Probability of a cast shadow: a random triangle at 0.4 to 0.8 of its light."""

    night: Fraction = 0.0
    """Probability of night: dark, tinted, lit by lamps, noisy."""
    fog: Fraction = 0.0
    """Probability of fog, thickest at the horizon."""
    glare: Fraction = 0.0
    """Probability of a low sun in the lens."""
    snow: Fraction = 0.0
    """Probability of falling snow."""
    rain: Fraction = 0.0
    """Probability of falling rain and drops on the glass."""

    motion_blur: Fraction = 0.0
    """Probability of a blur of 3 to 9 px along a line: a long exposure of a shaking camera."""
    blur: Fraction = 0.2
    """Probability of a Gaussian blur of 0.4 to 1.6 px: cheap lenses, bad focus."""
    noise: Fraction = 0.2
    """Probability of Gaussian sensor noise of 2 to 12 grey levels."""
    jpeg: Fraction = 0.2
    """Probability of JPEG compression at quality 25 to 80: what streams and recorders leave."""

    def __post_init__(self) -> None:
        for name in ("scale", "contrast", "gamma"):
            smallest, largest = getattr(self, name)
            if smallest > largest:
                raise ValueError(
                    f"{name} must be (smallest, largest), found ({smallest}, {largest}): swap them"
                )

    @property
    def needs_partner(self) -> bool:
        """Whether some variation takes other samples."""
        return max(self.mosaic, self.copy_paste, self.fourier) > 0.0
