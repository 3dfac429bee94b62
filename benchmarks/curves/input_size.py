"""Pixels of the network's input, in every engine; frames stay of one size."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from curves.curve import FRAME_MS, curves_of, told
from curves.fit import fit, reaches
from curves.interleaved import Effort, Size, measure
from curves.network import Network, resized, stages, street
from edge_mtl.benchmark.result import Curve

SIZES = ((320, 192), (480, 288), (640, 384), (800, 480), (960, 576), (1280, 768))


def input_size(network: Network, effort: Effort) -> list[Curve]:
    sizes = effort.some(SIZES)
    x = [float(width * height) for width, height in sizes]
    bundles = [resized(network.bundle, size) for size in sizes]
    with ExitStack() as stack:
        runs = {
            engine: [
                Size(pixels, stages(stack.enter_context(network.open(bundle, engine)), street()))
                for pixels, bundle in zip(x, bundles, strict=True)
            ]
            for engine in network.engines
        }
        flat = [size for each in runs.values() for size in each]
        ms = measure(flat, effort)
    width, height = network.bundle.spec.input.size
    found = []
    for index, engine in enumerate(runs):
        columns = slice(index * len(x), (index + 1) * len(x))
        fits = {part: fit(x, ms[part][:, columns]) for part in ("preprocess", "engine", "head")}
        limit = reaches(list(fits.values()), FRAME_MS)
        if limit is None:
            wall = f"In {engine} a frame takes less than {FRAME_MS:.1f} ms at any size."
        else:
            size = told(limit, fits["engine"], partial(_as_size, aspect=width / height))
            wall = (
                f"In {engine} a frame takes more than {FRAME_MS:.1f} ms (30 Hz) from an input of "
                f"{size} on."
            )
        found += curves_of(
            "pixels of the network's input", fits, width * height, wall, f", {engine}"
        )
    return found


def _as_size(pixels: float, aspect: float) -> str:
    width = (pixels * aspect) ** 0.5
    return f"{width:.0f}x{width / aspect:.0f}"
