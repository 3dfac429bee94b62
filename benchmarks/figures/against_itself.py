"""The same network measured against itself: how far from 1 the ratio comes, one run after the other
and in turns.

    python benchmarks/figures/against_itself.py      writes docs/images/against-itself.svg

A and B are two pipelines of driving-s in ONNX Runtime, opened alike: the true ratio is 1. Both ways
of measuring spend the same time, and take turns themselves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from drawing import OTHER, OURS, QUIET, new_figure, save
from numpy.typing import NDArray

from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import open_source

TRIALS, SECONDS, TURN_S = 12, 8.0, 0.25


def turn(pipeline: Pipeline, image: NDArray[np.uint8], seconds: float) -> float:
    """The median of what a frame takes."""
    pipeline(image)  # finds its weights pushed out of the caches
    times: list[float] = []
    start = now = time.perf_counter()
    while now - start < seconds:
        before = now
        pipeline(image)
        now = time.perf_counter()
        times.append(now - before)
    return median(times)


def one_after_the_other(a: Pipeline, b: Pipeline, image: NDArray[np.uint8]) -> float:
    """A A A A B B B B."""
    return turn(a, image, SECONDS / 2) / turn(b, image, SECONDS / 2)


def in_turns(a: Pipeline, b: Pipeline, image: NDArray[np.uint8]) -> float:
    """A B A B A B A B: the median of the ratios, a round each."""
    rounds = round(SECONDS / 2 / TURN_S)
    return median(turn(a, image, TURN_S) / turn(b, image, TURN_S) for _ in range(rounds))


def draw(rows: Mapping[str, Sequence[float]]) -> None:
    figure = new_figure(8, 2.3)
    axes = figure.subplots()
    for row, (ratios, colour) in enumerate(zip(rows.values(), (OTHER, OURS), strict=True)):
        axes.plot(ratios, [row] * len(ratios), "o", color=colour, alpha=0.6, markersize=8)
    axes.axvline(1, color=QUIET, linewidth=1, zorder=0)
    axes.set(yticks=range(len(rows)), yticklabels=rows, ylim=(len(rows) - 0.5, -0.5))
    axes.set(xlabel="time of A / time of B, which are the same network; a dot is a measurement")
    axes.grid(visible=False, axis="y")
    save(figure, "against-itself.svg")


def main() -> None:
    source = open_source("rendered:width=1280,height=720,frames=1")
    frame = source.read()
    assert frame is not None
    found: dict[str, list[float]] = {"A A A A B B B B": [], "A B A B A B A B": []}
    ways = one_after_the_other, in_turns
    with (
        Pipeline.open("driving-s", "onnxruntime") as a,
        Pipeline.open("driving-s", "onnxruntime") as b,
    ):
        for trial in range(TRIALS):
            for ratios, way in zip(found.values(), ways, strict=True):
                ratios.append(way(a, b, frame.image))
                print(f"{trial}: {way.__name__} {ratios[-1]:.3f}", flush=True)
    draw(found)
    for name, ratios in found.items():
        print(f"{name}: from {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
