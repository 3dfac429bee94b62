"""Frames of the same process."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources.queued import QueueSource

IMAGE = np.zeros((4, 6, 3), np.uint8)


def test_the_newest_wins() -> None:
    source = QueueSource("ros")
    assert (source.live, source.health.state) == (True, "connecting")
    source.put(IMAGE, captured_ns=5, planes={"depth": IMAGE[..., 0]})
    frame = source.read()
    assert frame is not None
    assert (frame.index, frame.captured_ns, list(frame.planes)) == (0, 5, ["depth"])
    assert frame.image is IMAGE
    for _ in range(3):
        source.put(IMAGE)
    frame = source.read()
    assert frame is not None
    assert frame.index == 3
    assert 0 <= time.monotonic_ns() - frame.captured_ns < 5e9
    assert (source.health.state, source.health.dropped) == ("live", 2)


def test_a_queue_that_drops_nothing_lets_put_wait() -> None:
    source = QueueSource(capacity=2, newest_wins=False)
    assert not source.live
    done = threading.Event()

    def put_all() -> None:
        for _ in range(5):
            source.put(IMAGE)
        source.end()
        done.set()

    threading.Thread(target=put_all).start()
    assert not done.wait(0.1)
    indices = []
    while (frame := source.read()) is not None:
        indices.append(frame.index)
    assert indices == [0, 1, 2, 3, 4]
    assert (source.health.dropped, source.health.state) == (0, "ended")


def test_closing_frees_who_puts_and_who_reads() -> None:
    source = QueueSource(capacity=1, newest_wins=False)
    source.put(IMAGE)
    putter = threading.Thread(target=source.put, args=(IMAGE,))
    putter.start()
    time.sleep(0.02)
    source.close()
    putter.join(5)
    assert not putter.is_alive()
    assert source.read() is None
    source.put(IMAGE)  # nobody is there: dropped


def test_stop_ends_a_read_that_waits() -> None:
    source = QueueSource()
    threading.Timer(0.05, source.stop).start()
    start = time.monotonic()
    assert source.read() is None
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("image", [IMAGE[..., 0], IMAGE.astype(np.float32), IMAGE[..., :2]])
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(EdgeMtlError, match=r"queue: expected images of shape \(H, W, 3\), uint8"):
        QueueSource().put(image)
