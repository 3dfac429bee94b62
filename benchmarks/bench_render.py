"""Rendered scenes on one core: frames a second with all labels, 640x384.

    python -m pytest benchmarks/bench_render.py

Each case is one clip in order, its world already built; `frames_per_second` in the extra
information includes the time to build the world, spread over the clip's 90 frames.
"""

from __future__ import annotations

import time
from itertools import cycle

import cv2
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from edge_mtl.data.rendered import RenderedScenes
from edge_mtl.data.rendered.world import World

CLIP_FRAMES = 90
SEED = 0


@pytest.mark.parametrize("clip", range(8))
def test_frame(benchmark: BenchmarkFixture, clip: int) -> None:
    cv2.setNumThreads(1)
    drive = RenderedScenes(CLIP_FRAMES * (clip + 1), seed=SEED)
    start = time.perf_counter()
    World(SEED, clip, drive.size, CLIP_FRAMES / drive.fps)
    build_s = time.perf_counter() - start
    frames = cycle(range(CLIP_FRAMES * clip, CLIP_FRAMES * (clip + 1), 5))
    sample = drive[CLIP_FRAMES * clip]
    benchmark.pedantic(lambda: drive[next(frames)], rounds=36, warmup_rounds=2)
    if benchmark.stats is None:
        return
    frame_s = benchmark.stats.stats.mean + build_s / CLIP_FRAMES
    benchmark.extra_info.update(
        sample.attributes, world_ms=round(1e3 * build_s), frames_per_second=round(1 / frame_s, 1)
    )
    print(f"\n{sample.attributes}: world {1e3 * build_s:.0f} ms, {1 / frame_s:.1f} frames/s")
