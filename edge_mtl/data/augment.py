"""Joint augmentation: one random geometry for image and labels, then random light, lens and codec.

The network is trained on few streets and one camera and must work behind other windscreens. So the
geometry is mild (a dash-cam stands upright and looks ahead) and the photometry strong: cameras,
weather, hours and codecs differ far more than streets do.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.augmentation import Augmentation
from edge_mtl.data.chance import happens, log_uniform
from edge_mtl.data.copy_paste import copy_paste
from edge_mtl.data.cutout import OBJECT_MASK
from edge_mtl.data.fourier import mix_amplitudes
from edge_mtl.data.mosaic import Tile, joined, quartered
from edge_mtl.data.photometry import recorded, relit
from edge_mtl.data.sample import Sample
from edge_mtl.data.warp import Matrix
from edge_mtl.data.weather import weathered
from edge_mtl.spec import ModelSpec

__all__ = ["PAD", "Augmentation", "augment"]

PAD = 114
"""The grey around a letterboxed picture; the default of `InputSpec.pad`."""

_HORIZON = 0.45
"""Where a dash-cam has the horizon, as part of the picture's height from its top."""

_FOURIER_CYCLES = 3  # FDA's smallest beta, 0.01, at 320 rows
_FOURIER_SHARE = 0.1, 0.6  # all of a night's amplitudes would turn the shades of a day black


def augment(
    sample: Sample,
    size: tuple[int, int],
    config: Augmentation,
    rng: np.random.Generator,
    pad: int = PAD,
    *,
    partner: Callable[[], Sample] | None = None,
    spec: ModelSpec | None = None,
) -> Sample:
    """A random variant of a sample, exactly `size` (width, height) large.

    The same state of `rng` gives the same variant. Labels follow the geometry as `warp`, `joined`
    and `copy_paste` describe, and so do planes, which light and weather leave alone; attributes
    that the weather contradicts are left out. `pad` is the grey around the picture, which stays as
    it is at run time: exactly that.

    partner: gives another sample in the same ids, for mosaic, copy-paste and Fourier mixing; called
        as often as those need one, not at all where they do not happen. It may draw from `rng`.
    spec: whose ids the labels are in, to find `Augmentation.copy_paste_thin`; without it only
        objects with boxes are pasted.

    Raises:
        ValueError: `config` has a variation that takes partners, and there is no `partner`.
    """
    if partner is None:
        if config.needs_partner:
            raise ValueError("mosaic, copy_paste and fourier take other samples: give a partner")
        tiles = [_whole(sample, size, config, rng)]
        style = None
    else:
        if happens(config.copy_paste, rng):
            sample = copy_paste(sample, partner(), rng, _thin_ids(config, spec))
        if happens(config.mosaic, rng):
            samples = [sample, partner(), partner(), partner()]
            tiles = quartered(samples, size, lambda one, tile: _cover(one, tile, config, rng), rng)
        else:
            tiles = [_whole(sample, size, config, rng)]
        style = partner().image if happens(config.fourier, rng) else None
    variant = joined(tiles, size)
    image, mean = variant.image, _mean([tile.sample.image for tile in tiles])
    if style is not None:
        for tile in tiles:
            tile.fill_outside(image, round(mean))  # black would count as a part of the picture
        cycles, share = int(rng.integers(_FOURIER_CYCLES + 1)), rng.uniform(*_FOURIER_SHARE)
        image = mix_amplitudes(image, style, cycles, share)
        mean = _mean([image])
    image = relit(image, mean, config, rng)
    image, contradicted = weathered(image, _horizon(tiles[0]), config, rng)
    image = recorded(image, config, rng)
    for tile in tiles:
        tile.fill_outside(image, pad)
    attributes = {k: v for k, v in variant.attributes.items() if k not in contradicted}
    return dataclasses.replace(variant, image=image, attributes=attributes)


def _whole(
    sample: Sample, size: tuple[int, int], config: Augmentation, rng: np.random.Generator
) -> Tile:
    """The sample somewhere in the whole picture, as large as `Augmentation.scale` says."""
    source_size = sample.image.shape[1], sample.image.shape[0]
    fit = min(size[0] / source_size[0], size[1] / source_size[1])
    scale = fit * log_uniform(config.scale, rng)
    return Tile(sample, _random_matrix(source_size, size, scale, config, rng), (0, 0), size)


def _cover(
    sample: Sample, size: tuple[int, int], config: Augmentation, rng: np.random.Generator
) -> Matrix:
    """The sample filling a tile: a picture on padding would be no picture that the camera takes."""
    source_size = sample.image.shape[1], sample.image.shape[0]
    cover = max(size[0] / source_size[0], size[1] / source_size[1])
    scale = cover * log_uniform((1.0, max(1.0, config.scale[1])), rng)
    return _random_matrix(source_size, size, scale, config, rng)


def _random_matrix(
    source_size: tuple[int, int],
    size: tuple[int, int],
    scale: float,
    config: Augmentation,
    rng: np.random.Generator,
) -> Matrix:
    angle = math.radians(rng.uniform(-config.rotate_deg, config.rotate_deg))
    mirror = -1.0 if rng.random() < config.flip else 1.0
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[mirror * cos, -sin], [mirror * sin, cos]])
    source, target = np.array(source_size, np.float64), np.array(size, np.float64)
    # The scaled picture's centre: anywhere between its edges meeting the target's on either side.
    play = np.abs(target - scale * source)
    centre = target / 2 + play * rng.uniform(-0.5, 0.5, 2)
    return np.column_stack([linear, centre - linear @ (source / 2)])


def _thin_ids(config: Augmentation, spec: ModelSpec | None) -> list[int]:
    tasks = () if spec is None else spec.segmentations
    classes = next((task.classes for task in tasks if task.name == OBJECT_MASK), ())
    return [i for i, name in enumerate(classes) if name in config.copy_paste_thin]


def _horizon(tile: Tile) -> float:
    """The row of the picture where the tile's horizon lies; it may lie outside."""
    height, width = tile.sample.image.shape[:2]
    x, y = width / 2, _HORIZON * height
    return float(tile.matrix[1] @ [x, y, 1.0]) + tile.corner[1]


def _mean(pictures: list[NDArray[np.uint8]]) -> float:
    return float(np.mean([cv2.mean(picture)[:3] for picture in pictures]))
