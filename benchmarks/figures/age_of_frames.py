"""How old a frame is at its scene: a camera that is faster than the network, with and without a
queue.

    python benchmarks/figures/age_of_frames.py      writes docs/images/latest-frame.svg

Both runs are of `LiveSource`, `Stream` and driving-s in ONNX Runtime, as `edge-mtl run` puts them
together; only `queue` differs. The camera is a double that gives frames from memory at a rate of
its own.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from drawing import OTHER, OURS, QUIET, new_figure, save
from matplotlib.axes import Axes
from numpy.typing import NDArray

from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import open_source
from edge_mtl.runtime.sources.live import LiveOptions, LiveSource
from edge_mtl.runtime.stream import Stream
from edge_mtl.scene import Scene

RATE_HZ, SECONDS = 60.0, 10.0
SHOWN_S = 0.45
LONGEST_QUEUE = 1000  # what `queue` takes


class MemoryCamera:
    """Gives pictures in turn at `RATE_HZ`, whoever is ready for them; see `Capture`."""

    frames_per_second: float | None = RATE_HZ

    def __init__(self, images: list[NDArray[np.uint8]]) -> None:
        self.captured_ns: list[int] = []
        self._images = images
        self._due = time.monotonic()

    def grab(self) -> int | None:
        self._due += 1 / RATE_HZ
        time.sleep(max(0.0, self._due - time.monotonic()))
        self.captured_ns.append(time.monotonic_ns())
        return self.captured_ns[-1]

    def retrieve(self) -> NDArray[np.uint8] | None:
        return self._images[len(self.captured_ns) % len(self._images)]

    def release(self) -> None:
        """There is no device."""


class Looked(NamedTuple):
    """A scene: when its frame was captured, when work on it began and ended, in seconds from the
    first frame."""

    captured_s: float
    began_s: float
    done_s: float


class Run(NamedTuple):
    captured_s: list[float]
    looked: list[Looked]


def run(pipeline: Pipeline, images: list[NDArray[np.uint8]], queue: int) -> Run:
    camera = MemoryCamera(images)
    source = LiveSource("camera", lambda: camera, LiveOptions(queue=queue), RATE_HZ)
    seen: list[tuple[Scene, int]] = []

    def note(scene: Scene) -> None:
        seen.append((scene, time.monotonic_ns()))
        if time.monotonic_ns() - camera.captured_ns[0] > SECONDS * 1e9:
            stream.stop()

    stream = Stream(source, [pipeline], on_scene=note)
    stream.run()
    zero = camera.captured_ns[0]
    looked = [
        Looked(
            (scene.captured_ns - zero) / 1e9,
            (done_ns - zero) / 1e9 - sum(scene.stages_ms.values()) / 1e3,
            (done_ns - zero) / 1e9,
        )
        for scene, done_ns in seen
    ]
    return Run([(each - zero) / 1e9 for each in camera.captured_ns], looked)


def draw_frames(axes: Axes, of: Run, start_s: float) -> None:
    """Every frame of a stretch, and what became of it."""
    shown = [each for each in of.looked if start_s <= each.captured_s < start_s + SHOWN_S]
    taken = {round(each.captured_s, 6) for each in of.looked}
    for captured_s in of.captured_s:
        if start_s <= captured_s < start_s + SHOWN_S:
            kept = round(captured_s, 6) in taken
            colour = OURS if kept else QUIET
            marker = "o" if kept else "x"
            axes.plot(1e3 * (captured_s - start_s), 1, marker, color=colour, markersize=6)
    for each in shown:
        at, began, done = (1e3 * (each[i] - start_s) for i in range(3))
        axes.plot([at, began], [1, 0], color=OURS, linewidth=1)
        axes.barh(0, done - began, left=began, height=0.42, color=OURS, edgecolor="white")
    axes.set(yticks=[0, 1], yticklabels=["pipeline", "camera"], ylim=(-0.5, 1.5))
    axes.set(xlabel="ms", xlim=(-8, 1e3 * SHOWN_S + 60))
    axes.grid(visible=False)
    axes.set_title(
        f"{RATE_HZ:g} frames a second come; o is looked at, x gave way to a newer one",
        loc="left",
        fontsize=10,
    )


def draw_ages(axes: Axes, newest: Run, queued: Run) -> None:
    for label, of, colour in (
        (f"a queue (queue={LONGEST_QUEUE})", queued, OTHER),
        ("the newest frame (queue=1, as it is)", newest, OURS),
    ):
        at = [each.done_s for each in of.looked]
        ages = [each.done_s - each.captured_s for each in of.looked]
        axes.plot(at, ages, color=colour, label=label)
        axes.annotate(f"{ages[-1]:.2f} s", (at[-1], ages[-1]), (4, 0), textcoords="offset points")
    axes.set(xlabel="seconds since the first frame", ylabel="age of a frame at its scene, s")
    axes.set(xlim=(0, SECONDS * 1.09), ylim=(0, None))
    axes.legend(frameon=False, loc="upper left")


def main() -> None:
    source = open_source("rendered:width=1280,height=720,frames=32")
    images = []
    while (frame := source.read()) is not None:
        images.append(frame.image)
    with Pipeline.open("driving-s", "onnxruntime") as pipeline:
        for image in images[:10]:
            pipeline(image)
        newest, queued = run(pipeline, images, 1), run(pipeline, images, LONGEST_QUEUE)
    figure = new_figure(8, 5.2)
    upper, lower = figure.subplots(2, 1, height_ratios=(1, 2.2))
    draw_frames(upper, newest, newest.looked[len(newest.looked) // 2].captured_s)
    draw_ages(lower, newest, queued)
    save(figure, "latest-frame.svg")
    for name, of in (("newest", newest), ("queue", queued)):
        ages = np.array([each.done_s - each.captured_s for each in of.looked]) * 1e3
        print(
            f"{name}: {len(of.captured_s)} frames, {len(of.looked)} scenes; age p50 "
            f"{np.percentile(ages, 50):.0f} ms, p99 {np.percentile(ages, 99):.0f} ms, last "
            f"{ages[-1]:.0f} ms"
        )


if __name__ == "__main__":
    main()
