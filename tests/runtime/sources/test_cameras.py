from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources import Frame, Health, open_source
from edge_mtl.runtime.sources.camera_name import names_of
from edge_mtl.runtime.sources.cameras import Cameras
from edge_mtl.runtime.sources.live import LiveOptions, LiveSource
from edge_mtl.runtime.sources.queued import QueueSource

IMAGE = np.zeros((4, 6, 3), np.uint8)


class Clip:
    """A file of grey frames; `on_read` is called with the index before each."""

    live, frames_per_second = False, 25.0

    def __init__(self, length: int, on_read: Callable[[int], Any] = lambda _: None) -> None:
        self.name = "clip"
        self.length: int | None = length
        self.health = Health()
        self.closed = threading.Event()
        self._on_read = on_read
        self._index = 0

    def read(self) -> Frame | None:
        self._on_read(self._index)
        if self._index == self.length:
            return None
        self._index += 1
        return Frame(IMAGE, self._index - 1, time.monotonic_ns())

    def stop(self) -> None:
        """A read does not wait."""

    def close(self) -> None:
        self.closed.set()


def raiser(at: int, error: Exception) -> Callable[[int], None]:
    def check(index: int) -> None:
        if index == at:
            raise error

    return check


def by_camera(frames: list[Frame]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for frame in frames:
        found.setdefault(frame.camera, []).append(frame.index)
    return found


def all_of(cameras: Cameras, most: int = 1) -> list[Frame]:
    frames: list[Frame] = []
    while batch := cameras.read(most):
        assert len({frame.camera for frame in batch}) == len(batch) <= most
        frames += batch
    return frames


def arrived(source: QueueSource, camera: Any) -> None:
    """Wait until what was put has come where `read` finds it."""
    deadline = time.monotonic() + 10
    while camera.frame is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_files_are_read_frame_by_frame_and_none_is_dropped(most: int) -> None:
    clips = {"long": Clip(40), "short": Clip(7), "none": Clip(0)}
    cameras = Cameras(clips)
    assert (cameras.name, cameras.live, cameras.length) == ("long, short, none", False, 47)
    found = by_camera(all_of(cameras, most))
    assert found == {"long": list(range(40)), "short": list(range(7))}
    assert sum(clip.health.dropped for clip in clips.values()) == 0
    assert cameras.read(most) == []
    cameras.close()
    assert all(clip.closed.is_set() for clip in clips.values())


def test_a_fast_camera_starves_no_slow_one() -> None:
    fast, slow = QueueSource(), QueueSource()
    cameras = Cameras({"fast": fast, "slow": slow})
    ended = threading.Event()

    def feed(source: QueueSource, step_s: float) -> None:
        while not ended.wait(step_s):
            source.put(IMAGE)

    feeds = [
        threading.Thread(target=feed, args=pair, daemon=True)
        for pair in ((fast, 0.001), (slow, 0.03))
    ]
    for thread in feeds:
        thread.start()
    frames = []
    for _ in range(60):
        frames += cameras.read()
        time.sleep(0.02)  # the network takes longer than the fast camera
    ended.set()
    cameras.close()
    for thread in feeds:
        thread.join(5)
    found = by_camera(frames)
    for indices in found.values():
        assert indices == sorted(set(indices))
    # Without turns it would get one in thirty; a busy machine feeds both of them late.
    assert len(found["slow"]) >= 0.15 * len(frames)
    assert slow.health.dropped <= len(found["slow"])
    assert fast.health.dropped > len(found["fast"])


def test_cameras_take_turns_where_not_all_fit() -> None:
    clips = {name: Clip(12) for name in "abcde"}
    cameras = Cameras(clips)
    for camera in cameras._cameras:
        cameras._start()
        arrived(camera.source, camera)  # type: ignore[arg-type]
    first = cameras.read(2)
    second = cameras.read(2)
    third = cameras.read(1)
    cameras.close()
    seen = [frame.camera for frame in (*first, *second, *third)]
    assert sorted(seen) == list("abcde")
    assert [frame.camera for frame in first] == sorted(frame.camera for frame in first)


def test_a_full_batch_and_silent_or_late_cameras_are_not_waited_for() -> None:
    left, right = QueueSource(frames_per_second=20), QueueSource(frames_per_second=20)
    cameras = Cameras({"left": left, "right": right, "silent": QueueSource()})
    slots = cameras._cameras
    cameras._start()
    start = time.monotonic()
    for source, slot in ((left, slots[0]), (right, slots[1])):
        source.put(IMAGE)
        arrived(source, slot)
    assert len(cameras.read(2, wait_s=30)) == 2
    time.sleep(0.15)  # `right` is late by more than a frame
    left.put(IMAGE)
    assert by_camera(cameras.read(3, wait_s=30)) == {"left": [1]}
    assert time.monotonic() - start < 10
    cameras.close()


def test_a_camera_whose_frame_is_due_is_waited_for_within_the_bound() -> None:
    left, right = QueueSource(frames_per_second=0.2), QueueSource(frames_per_second=0.2)
    cameras = Cameras({"left": left, "right": right})
    cameras._start()
    right.put(IMAGE)
    assert by_camera(cameras.read()) == {"right": [0]}
    left.put(IMAGE)
    # The next frame of `right` is due in 5 s: too late for this one, in time for the next.
    assert by_camera(cameras.read(2, wait_s=0.01)) == {"left": [0]}
    left.put(IMAGE)
    timer = threading.Timer(0.3, right.put, (IMAGE,))
    timer.start()
    assert by_camera(cameras.read(2, wait_s=30)) == {"left": [1], "right": [1]}
    timer.join()
    cameras.close()


def test_a_frame_waits_no_longer_than_the_bound() -> None:
    left, right = QueueSource(), QueueSource(frames_per_second=10)
    cameras = Cameras({"left": left, "right": right})
    cameras._start()
    right.put(IMAGE)
    cameras.read()
    left.put(IMAGE)
    start = time.monotonic()
    assert by_camera(cameras.read(2, wait_s=0.15)) == {"left": [0]}
    assert time.monotonic() - start < 2  # it would wait for 0.2 s else, and `right` never comes
    cameras.close()


def test_cameras_that_die_are_said_once_closed_and_missed_by_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dies = Clip(99, raiser(3, EdgeMtlError("the cable is cut")))
    breaks = Clip(99, raiser(2, ZeroDivisionError("a mistake")))
    goes_on = Clip(30, lambda index: dies.closed.wait(10) if index == 20 else None)
    cameras = Cameras({"front": dies, "rear": breaks, "side": goes_on})
    found = by_camera(all_of(cameras))
    assert found == {"front": [0, 1, 2], "rear": [0, 1], "side": list(range(30))}
    assert cameras.failures == {"front": "the cable is cut", "rear": "a mistake"}
    assert (dies.health.state, dies.health.reason) == ("ended", "the cable is cut")
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 2
    assert sum("the cable is cut" in each.getMessage() for each in errors) == 1
    [mistake] = [each for each in errors if "rear" in each.getMessage().split(":")[0]]
    assert "side" in mistake.getMessage()
    assert mistake.exc_info  # where it was made is in the log
    cameras.close()


def test_the_end_of_all_is_an_error_where_all_have_died() -> None:
    clips = {
        name: Clip(9, raiser(at, EdgeMtlError(f"no {name}"))) for name, at in (("a", 0), ("b", 2))
    }
    cameras = Cameras(clips)
    with pytest.raises(EdgeMtlError, match=r"all 2 cameras are lost: .*no [ab].*no [ab]"):
        all_of(cameras)
    cameras.close()


def test_drivers_that_hang_keep_nobody_for_longer_than_a_second() -> None:
    unblock = threading.Event()

    def open_capture() -> Any:
        unblock.wait(20)
        raise EdgeMtlError("no answer")

    def hanging(name: str) -> LiveSource:
        return LiveSource(name, open_capture, LiveOptions(give_up="never"))

    cameras = Cameras({name: hanging(name) for name in "abcd"})
    read: list[list[Frame]] = []
    reader = threading.Thread(target=lambda: read.append(cameras.read()))
    reader.start()
    time.sleep(0.1)
    start = time.monotonic()
    cameras.stop()
    reader.join(5)
    assert read == [[]]
    cameras.close()
    assert time.monotonic() - start < 2  # 0.9 s where nothing else runs, however many they are
    unblock.set()


def test_cameras_that_nobody_has_read_close_too() -> None:
    clips = {"a": Clip(3), "b": Clip(3)}
    cameras = Cameras(clips)
    cameras.close()
    cameras.close()
    assert all(clip.closed.wait(5) for clip in clips.values())


def test_names_are_those_of_the_option_or_made_of_the_address(tmp_path: Path) -> None:
    video = tmp_path / "drive 7.mp4"
    video.write_bytes(b"x")
    named = {
        "rtsp://me:hidden@192.0.2.7/stream?channel=1#transport=udp": "192.0.2.7-stream-channel-1",
        "0#width=640": "camera-0",
        "/dev/video2": "dev-video2",
        "1#name=rear,width=640": "rear",
        str(video): "drive-7",
        "rendered:seed=3": "seed-3",
        "rendered": "rendered",
        "rendered#seed=4": "rendered-2",
        "2#name=rendered-3": "rendered-3",
        "rendered#seed=5": "rendered-4",
    }
    assert names_of(list(named)) == list(named.values())


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["0#name=a", "1#name=a"], "two sources are called 'a'"),
        (["0#name=../a"], r"0: expected a name of letters.*name=front, found '../a'"),
        (["rtsp://me:hidden@c/1#name="], r"^rtsp://\*\*\*@c/1: expected a name of letters"),
    ],
)
def test_names_that_cannot_be(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        names_of(texts)


def test_a_source_is_called_by_its_name_whatever_its_options() -> None:
    source = open_source("rendered#seed=4,name=front,frames=2")
    assert (source.name, source.length) == ("front", 2)
    assert open_source("rendered#name=front", rate=5).name == "front"


def test_several_are_opened_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Cameras.open(["rendered#frames=2", "rendered#frames=3,name=b"])) as cameras:
        assert {name: source.length for name, source in cameras.sources.items()} == {
            "rendered": 2,
            "b": 3,
        }
    clip = Clip(1)
    opened: list[Any] = [clip, EdgeMtlError("no such file")]

    def open_next(text: str, rate: float | None) -> Any:
        if isinstance(opened[0], Exception):
            raise opened[0]
        return opened.pop(0)

    monkeypatch.setattr("edge_mtl.runtime.sources.cameras.open_source", open_next)
    with pytest.raises(EdgeMtlError, match="no such file"):
        Cameras.open(["a.mp4", "b.mp4"])
    assert clip.closed.is_set()
