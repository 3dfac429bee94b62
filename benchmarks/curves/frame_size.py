"""Pixels of the camera's frame: preprocessing reads them, masks of the frame's size fill them."""

from __future__ import annotations

import numpy as np

from curves.curve import curves_of, told
from curves.fit import fit, reaches
from curves.interleaved import Effort, Size, measure
from curves.network import FRAME_SIZE, Network, stages, street_of
from edge_mtl.benchmark.result import Curve

SIZES = ((640, 360), (960, 540), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))


def frame_size(network: Network, effort: Effort) -> list[Curve]:
    sizes = effort.some(SIZES)
    x = [float(width * height) for width, height in sizes]
    with network.open() as pipeline:
        frames = [street_of(size) for size in sizes]
        runs = [Size(a, stages(pipeline, frame)) for a, frame in zip(x, frames, strict=True)]
        ms = measure(runs, effort)
    fits = {part: fit(x, ms[part]) for part in ("preprocess", "head")}
    engine_ms = float(np.median(ms["engine"]))
    limit = reaches(list(fits.values()), engine_ms)
    if limit is None:
        wall = (
            f"Preprocessing and head take less than the engine ({engine_ms:.1f} ms) even for "
            "frames a hundred times as large."
        )
    else:
        size = told(limit, fits["head"], lambda pixels: f"{pixels / 1e6:.3g}")
        wall = (
            f"Preprocessing and head together take as long as the engine ({engine_ms:.1f} ms) for "
            f"frames of {size} megapixels."
        )
    width, height = FRAME_SIZE
    return curves_of("pixels of the camera's frame", fits, width * height, wall)
