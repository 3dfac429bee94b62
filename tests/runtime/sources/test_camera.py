"""The latest-frame policy, with a camera whose frames the test hands out one by one."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sources import open_source

pytest.importorskip("cv2", reason="OpenCV, of the extra cpu, is not installed")

from edge_mtl.runtime.sources.camera import CameraSource


class HandCamera:
    """Gives a frame when the test puts one in; None ends it like a pulled plug."""

    def __init__(self) -> None:
        self.frames: queue.Queue[int | None] = queue.Queue()
        self.released = False
        self.taken = threading.Semaphore(0)

    def read(self) -> tuple[bool, Any]:
        self.taken.release()
        value = self.frames.get()
        return value is not None, None if value is None else np.full((2, 2, 3), value, np.uint8)

    def release(self) -> None:
        self.released = True

    def give(self, *values: int | None) -> None:
        """Hand the frames over and return when the camera's thread has stored all of them."""
        self.taken.acquire()
        for value in values:
            self.frames.put(value)
            if value is not None:
                self.taken.acquire()
        self.taken.release()


def test_lesson_the_newest_frame_wins_and_the_others_are_counted() -> None:
    """ultralytics#4211, #11784: pictures come 20 to 30 s late.

    opencv#23430, #13145: a driver is asked in vain for a short buffer, so a thread empties it.
    """
    camera = HandCamera()
    source = CameraSource("test", camera)
    assert source.live
    camera.give(1, 2, 3)
    frame = source.read()
    assert frame is not None
    assert (frame.image[0, 0, 0], frame.index) == (3, 2)
    assert source.dropped == 0  # nobody was late: nobody had asked yet
    camera.give(4, 5, 6)
    frame = source.read()
    assert frame is not None
    assert (frame.image[0, 0, 0], frame.index) == (6, 5)
    assert source.dropped == 2
    camera.frames.put(None)
    source.close()
    assert camera.released


def test_read_waits_for_a_frame_that_it_did_not_give_yet() -> None:
    camera = HandCamera()
    source = CameraSource("test", camera)
    camera.give(1)
    first = source.read()
    threading.Timer(0.05, camera.frames.put, [2]).start()
    second = source.read()
    assert first is not None
    assert second is not None
    assert (first.index, second.index) == (0, 1)
    assert second.captured_ns >= first.captured_ns
    camera.frames.put(None)
    source.close()


def test_a_camera_that_is_unplugged() -> None:
    camera = HandCamera()
    source = CameraSource("test", camera)
    camera.frames.put(None)
    with pytest.raises(EdgeMtlError, match="camera test stopped giving frames"):
        source.read()
    source.close()
    assert camera.released


def test_the_frame_before_the_plug_was_pulled_is_still_given() -> None:
    camera = HandCamera()
    source = CameraSource("test", camera)
    camera.give(1, None)
    assert source.read() is not None
    with pytest.raises(EdgeMtlError, match="stopped giving frames"):
        source.read()
    source.close()


def test_lesson_a_camera_that_hangs_is_given_up_and_left_alone() -> None:
    """ultralytics#15057, #14286; inference#685: a read that never comes back."""
    camera = HandCamera()
    source = CameraSource("test", camera, patience_s=0.05)
    with pytest.raises(EdgeMtlError, match=r"gave none in 0\.05 s"):
        source.read()
    source.close()
    assert not camera.released  # its driver is still inside a read
    camera.frames.put(None)


def test_lesson_closing_wakes_a_reader() -> None:
    """ultralytics#14286: a stream that waits for a camera cannot be stopped."""
    camera = HandCamera()
    source = CameraSource("test", camera)
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.append(source.read()))
    reader.start()
    time.sleep(0.02)
    closer = threading.Thread(target=source.close)
    closer.start()
    reader.join(2)
    assert found == [None]
    camera.frames.put(None)
    closer.join(2)


def test_a_camera_that_is_not_there() -> None:
    assert not Path("/dev/video97").exists()
    for text in ("97", "/dev/video97"):
        with pytest.raises(EdgeMtlError, match="expected the device /dev/video97, found"):
            open_source(text)
