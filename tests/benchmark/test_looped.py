from __future__ import annotations

import numpy as np

from edge_mtl.benchmark.looped import Looped
from edge_mtl.runtime.sources import Frame

FRAMES = [Frame(np.full((2, 2, 3), value, np.uint8), 7, 0) for value in (10, 20)]


def test_frames_come_again_with_numbers_and_times_of_their_own() -> None:
    source = Looped(FRAMES, seconds=60.0, frames_per_second=30.0)
    given = [source.read() for _ in range(5)]
    assert [frame and frame.image[0, 0, 0] for frame in given] == [10, 20, 10, 20, 10]
    assert [frame and frame.index for frame in given] == [0, 1, 2, 3, 4]
    stamps = [frame.captured_ns for frame in given if frame]
    assert stamps == sorted(stamps)
    assert stamps[0] > 0
    assert source.given == 5


def test_it_ends_with_its_time_and_when_it_is_stopped() -> None:
    over = Looped(FRAMES, seconds=0.0, frames_per_second=30.0)
    assert over.read() is None
    stopped = Looped(FRAMES, seconds=60.0, frames_per_second=30.0)
    assert stopped.read() is not None
    stopped.stop()
    assert stopped.read() is None
    assert stopped.health.state == "ended"
