"""Mosaic: four samples in one picture (Bochkovskiy et al., YOLOv4, 2020, arXiv:2004.10934, 3.4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_mtl.data.boxes import joined_boxes, moved, no_boxes
from edge_mtl.data.sample import IGNORE, Boxes, Sample
from edge_mtl.data.warp import Matrix, fill_outside, warp

_CUT = 0.35, 0.65
"""Where the four meet, as part of the picture either way."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A sample and the part of a picture that shows it.

    matrix: from the sample's pixels to the tile's own.
    corner: x, y of the tile's upper left pixel in the picture; size: (width, height).
    """

    sample: Sample
    matrix: Matrix
    corner: tuple[int, int]
    size: tuple[int, int]

    @property
    def window(self) -> tuple[slice, slice]:
        """The tile's rows and columns in the picture."""
        (x, y), (width, height) = self.corner, self.size
        return slice(y, y + height), slice(x, x + width)

    def fill_outside(self, picture: NDArray[np.uint8], grey: int) -> None:
        """Make what the tile shows beyond its sample grey, in place."""
        source_size = self.sample.image.shape[1], self.sample.image.shape[0]
        fill_outside(picture[self.window], source_size, self.matrix, grey)


def quartered(
    samples: Sequence[Sample],
    size: tuple[int, int],
    matrix_of: Callable[[Sample, tuple[int, int]], Matrix],
    rng: np.random.Generator,
) -> list[Tile]:
    """Four samples as the quarters of a picture of `size` (width, height), cut at a random point.

    matrix_of: the map of a sample to a tile of some (width, height).
    """
    cut_x, cut_y = np.rint(rng.uniform(*_CUT, 2) * size).astype(int).tolist()
    corners = [(0, 0), (cut_x, 0), (0, cut_y), (cut_x, cut_y)]
    tiles = []
    for sample, (x, y) in zip(samples, corners, strict=True):
        tile_size = cut_x if x == 0 else size[0] - cut_x, cut_y if y == 0 else size[1] - cut_y
        tiles.append(Tile(sample, matrix_of(sample, tile_size), (x, y), tile_size))
    return tiles


def joined(tiles: Sequence[Tile], size: tuple[int, int]) -> Sample:
    """The picture of `size` that the tiles cover, with all labels that hold for it.

    Masks: those that any sample has, `IGNORE` in the tiles of samples without them. Boxes: those
    of all samples, cut and dropped at the tiles' edges as `warp` does; a tile whose sample has no
    boxes is an ignored area, for what is there was not labelled. A class counts as searched where
    every sample with boxes was searched for it. Attributes: those on which all samples agree, for
    the others hold for a part of the picture only. Planes: those that any sample has, 0 in the
    tiles of samples without them.
    """
    warped = [warp(tile.sample, tile.matrix, tile.size) for tile in tiles]
    if len(tiles) == 1:
        return warped[0]
    image = np.empty((size[1], size[0], 3), np.uint8)
    names = dict.fromkeys(name for sample in warped for name in sample.masks)
    masks = {name: np.full(image.shape[:2], IGNORE, np.uint8) for name in names}
    plane_names = dict.fromkeys(name for sample in warped for name in sample.planes)
    planes = {name: np.zeros(image.shape[:2], np.uint8) for name in plane_names}
    for tile, sample in zip(tiles, warped, strict=True):
        image[tile.window] = sample.image
        for name, mask in sample.masks.items():
            masks[name][tile.window] = mask
        for name, plane in sample.planes.items():
            planes[name][tile.window] = plane
    first, *others = [sample.attributes for sample in warped]
    return Sample(
        image=image,
        name=" + ".join(sample.name for sample in warped),
        masks=masks,
        boxes=_joined_boxes(tiles, [sample.boxes for sample in warped]),
        attributes={
            name: value
            for name, value in first.items()
            if all(other.get(name) == value for other in others)
        },
        planes=planes,
    )


def _joined_boxes(tiles: Sequence[Tile], found: Sequence[Boxes | None]) -> Boxes | None:
    if all(boxes is None for boxes in found):
        return None
    joint = no_boxes()
    for tile, boxes in zip(tiles, found, strict=True):
        if boxes is None:
            whole = np.array([[0.0, 0.0, *tile.size]], np.float32)
            boxes = dataclasses.replace(no_boxes(), ignored=whole)
        joint = joined_boxes(joint, moved(boxes, tile.corner))
    return joint
