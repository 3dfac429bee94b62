"""Cameras that share one network and always have a frame ready: how long until each had a turn."""

from __future__ import annotations

import threading
import time
from functools import partial

from curves.curve import FRAME_MS, curves_of, told
from curves.fit import Fit, fit, reaches
from curves.interleaved import Effort, Size, measure
from curves.network import Network, street
from edge_mtl.benchmark.result import Curve
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources.cameras import Cameras
from edge_mtl.runtime.sources.queued import QueueSource
from edge_mtl.runtime.stream import Stream
from edge_mtl.scene import Scene

COUNTS = (1, 2, 3, 4, 6, 8)
_TURNS = 4


def cameras(network: Network, effort: Effort) -> list[Curve]:
    counts = effort.some(COUNTS)
    with network.open() as pipeline:
        runs = [Size(count, partial(_stream, pipeline, count)) for count in counts]
        ms = measure(runs, effort)
    fits = {part: fit(counts, ms[part]) for part in ms}
    return curves_of("cameras", fits, 1, wall(fits["a frame of every camera"]))


def wall(a_frame_of_each: Fit) -> str:
    limit = reaches([a_frame_of_each], FRAME_MS)
    if limit is None:
        return f"A frame of every camera takes less than {FRAME_MS:.1f} ms, however many there are."
    most = told(limit, a_frame_of_each, "{:.1f}".format)
    if limit.value < 1:
        return f"Not even one camera gets 30 frames a second: the limit is at {most} cameras."
    whole = int(limit.value)
    which = "one camera alone gets" if whole == 1 else f"up to {whole} cameras get"
    return f"At 30 frames a second of each, {which} every frame through: the limit is at {most}."


def _stream(pipeline: Pipeline, count: int) -> dict[str, float]:
    """Run a stream until every camera had its turns, and time those behind the first."""
    sources = {f"camera-{i}": QueueSource(newest_wins=False) for i in range(count)}
    ended = threading.Event()

    def feed(source: QueueSource) -> None:
        while not ended.is_set():
            source.put(street())

    feeds = [threading.Thread(target=feed, args=(source,)) for source in sources.values()]
    done_s: list[float] = []

    def note(_: Scene) -> None:
        done_s.append(time.perf_counter())

    stream = Stream(Cameras(sources), [pipeline], max_frames=(1 + _TURNS) * count, on_scene=note)
    for each in feeds:
        each.start()
    report = stream.run()
    ended.set()
    for each in feeds:
        each.join()
    if report.ended_by == "stop":  # the stream took the signal that was meant for all of this
        raise KeyboardInterrupt
    return {"a frame of every camera": (done_s[-1] - done_s[count - 1]) * 1e3 / _TURNS}
