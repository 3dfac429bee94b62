"""The policies of a live source, with a camera whose frames the test hands out one by one."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime.sources import Frame, live
from edge_mtl.runtime.sources.live import LiveOptions, LiveSource

LOST, CORRUPT, GREY = object(), object(), object()


class HandCamera:
    """Gives a frame when the test puts one in: a number of its grey, or what else is wrong."""

    frames_per_second: float | None = 15.0

    def __init__(self) -> None:
        self.given: queue.Queue[Any] = queue.Queue()
        self.released = threading.Event()
        self.asked = threading.Semaphore(0)
        self._value: Any = None

    def grab(self) -> int | None:
        self.asked.release()
        self._value = self.given.get()
        return None if self._value is LOST else time.monotonic_ns()

    def retrieve(self) -> NDArray[np.uint8] | None:
        if self._value is CORRUPT:
            return None
        if self._value is GREY:
            return np.zeros((2, 2), np.uint8)
        if isinstance(self._value, np.ndarray):
            return self._value
        return np.full((2, 2, 3), self._value, np.uint8)

    def release(self) -> None:
        self.released.set()

    def give(self, *values: Any) -> None:
        """Hand the frames over and return when the camera's thread has stored all of them."""
        assert self.asked.acquire(timeout=5)
        for value in values:
            self.given.put(value)
            assert value is LOST or self.asked.acquire(timeout=5)
        self.asked.release()


class Cameras:
    """What `open_capture` opens, in turn: a camera, an error, or None, which never comes back."""

    def __init__(self, *cameras: HandCamera | Exception | None) -> None:
        self.left = list(cameras)
        self.opened_s: list[float] = []
        self.unblock = threading.Event()

    def __call__(self) -> HandCamera:
        self.opened_s.append(time.monotonic())
        camera = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if camera is None:
            self.unblock.wait(10)
            raise EdgeMtlError("it was unblocked")
        if isinstance(camera, Exception):
            raise camera
        return camera


def values_of(*frames: Frame | None) -> list[int]:
    return [int(frame.image[0, 0, 0]) for frame in frames if frame is not None]


def wait_for(condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def camera() -> HandCamera:
    return HandCamera()


def close(source: LiveSource, *cameras: HandCamera) -> None:
    for each in cameras:
        each.given.put(LOST)
    source.close()


def test_lesson_the_newest_frame_wins_and_the_others_are_counted(camera: HandCamera) -> None:
    """ultralytics#4211, #11784: 20 to 30 s late. opencv#23430, #13145: no short buffer."""
    source = LiveSource("test", Cameras(camera))
    assert source.live
    camera.give(1, 2, 3)
    frame = source.read()
    assert frame is not None
    assert (frame.image[0, 0, 0], frame.index) == (3, 2)
    assert source.health.dropped == 0  # nobody was late: nobody had asked yet
    camera.give(4, 5, 6)
    frame = source.read()
    assert frame is not None
    assert (frame.image[0, 0, 0], frame.index) == (6, 5)
    assert source.health.dropped == 2
    assert source.frames_per_second == 15.0
    close(source, camera)
    assert camera.released.is_set()
    assert source.health.state == "ended"


def test_a_queue_keeps_as_many_as_it_may_in_their_order(camera: HandCamera) -> None:
    source = LiveSource("test", Cameras(camera), LiveOptions(queue=3))
    camera.give(1)
    assert values_of(source.read()) == [1]
    camera.give(2, 3, 4, 5)
    assert values_of(source.read(), source.read(), source.read()) == [3, 4, 5]
    assert source.health.dropped == 1
    close(source, camera)


def test_read_waits_for_a_frame_that_it_did_not_give_yet(camera: HandCamera) -> None:
    source = LiveSource("test", Cameras(camera))
    camera.give(1)
    first = source.read()
    threading.Timer(0.05, camera.given.put, [2]).start()
    second = source.read()
    assert first is not None
    assert second is not None
    assert (first.index, second.index) == (0, 1)
    assert second.captured_ns >= first.captured_ns
    close(source, camera)


def test_lesson_a_camera_that_is_lost_is_connected_again(
    camera: HandCamera, caplog: pytest.LogCaptureFixture
) -> None:
    """ultralytics#15057; inference#685: a stream that drops is gone for good."""
    again = HandCamera()
    refusal = EdgeMtlError("no answer")
    cameras = Cameras(camera, refusal, refusal, again)
    source = LiveSource("rtsp://me:secret@camera/1", cameras)
    assert source.health.state == "connecting"
    camera.give(1)
    assert values_of(source.read()) == [1]
    assert source.health.state == "live"
    camera.given.put(LOST)
    wait_for(lambda: source.health.reason == "no answer")
    assert (source.health.state, source.health.reconnects) == ("lost", 0)
    assert camera.released.is_set()
    again.give(2)
    frame = source.read()
    assert frame is not None
    assert (frame.image[0, 0, 0], frame.index) == (2, 1)
    assert (source.health.state, source.health.reason) == ("live", "")
    assert source.health.reconnects == 1
    [lost, back] = [record.getMessage() for record in caplog.records]
    assert lost == "rtsp://***@camera/1 was lost: it gives no frames any more; trying again"
    assert back.startswith("rtsp://***@camera/1 is back after ")
    close(source, again)


def test_the_delays_double_with_jitter_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(live, "_LONGEST_DELAY_S", 0.08)
    cameras = Cameras(EdgeMtlError("no answer"))
    source = LiveSource("test", cameras, LiveOptions(give_up="never"))
    wait_for(lambda: len(cameras.opened_s) == 8)
    source.close()
    delays_s = np.diff(cameras.opened_s[:8])
    assert (delays_s >= 0.5 * np.array([0.02, 0.04, 0.08, 0.08, 0.08, 0.08, 0.08])).all()
    assert len(set(np.round(delays_s[2:] * 1e4))) > 1


def test_the_delays_start_anew_after_a_connection_that_held_and_no_other(
    camera: HandCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_STEADY_S", 0.05)
    monkeypatch.setattr(live, "_FIRST_DELAY_S", 0.02)
    monkeypatch.setattr(live.random, "uniform", lambda low, high: high)
    delays_s: list[float] = []
    refusal = EdgeMtlError("no answer")
    cameras = Cameras(refusal, refusal, refusal, camera, refusal)

    def open_slowly() -> HandCamera:
        time.sleep(0.1)  # longer than what counts as steady
        return cameras()

    source = LiveSource("test", open_slowly, LiveOptions(give_up="never"))
    wait = source._closing.wait

    def note_wait(seconds: float) -> bool:
        delays_s.append(round(seconds, 3))
        return wait(seconds)

    monkeypatch.setattr(source._closing, "wait", note_wait)
    camera.give(1)
    time.sleep(0.1)
    camera.given.put(LOST)
    wait_for(lambda: len(delays_s) >= 5)
    source.close()
    assert delays_s[:5] == [0.02, 0.04, 0.08, 0.02, 0.04]


def test_the_frame_before_the_plug_was_pulled_is_still_given(camera: HandCamera) -> None:
    source = LiveSource("test", Cameras(camera), LiveOptions(give_up=0))
    camera.give(1, LOST)
    assert values_of(source.read()) == [1]
    with pytest.raises(EdgeMtlError, match="test was lost: it gives no frames any more"):
        source.read()
    assert (source.health.state, source.health.reconnects) == ("ended", 0)
    source.close()


def test_a_first_connection_that_does_not_come_about_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "_FIRST_CONNECTION_S", 0.3)
    source = LiveSource("test", Cameras(EdgeMtlError("no answer")))
    with pytest.raises(EdgeMtlError, match=r"test cannot be opened and was tried .*: no answer"):
        source.read()
    with pytest.raises(EdgeMtlError, match="no answer"):  # and it stays so
        source.read()
    source.close()


def test_a_later_connection_is_waited_for_as_long_as_is_said(camera: HandCamera) -> None:
    cameras = Cameras(camera, EdgeMtlError("no answer"))
    source = LiveSource("test", cameras, LiveOptions(give_up=0.3))
    camera.give(1, LOST)
    assert source.read() is not None
    start = time.monotonic()
    with pytest.raises(EdgeMtlError, match="test was lost and was tried again for 0 s: no answer"):
        source.read()
    assert 0.2 < time.monotonic() - start < 3
    source.close()


def test_what_no_second_try_can_mend_ends_the_source_at_once() -> None:
    cameras = Cameras(UsageError("no element of that name"))
    source = LiveSource("test", cameras, LiveOptions(give_up="never"))
    with pytest.raises(UsageError, match="no element of that name"):
        source.read()
    assert len(cameras.opened_s) == 1
    source.close()


def test_an_error_of_a_driver_shows_no_password(caplog: pytest.LogCaptureFixture) -> None:
    address = "rtsp://me:secret@camera/1?token=abcdef"
    error = RuntimeError(f"can't open {address}: secret abcdef")
    source = LiveSource(address, Cameras(error), LiveOptions(give_up=0))
    with pytest.raises(EdgeMtlError, match="can't open rtsp://") as caught:
        source.read()
    for text in (str(caught.value), caplog.text, source.name, str(source.health.to_json())):
        assert "secret" not in text
        assert "abcdef" not in text
    source.close()


def test_corrupt_frames_are_dropped_counted_and_numbered(
    camera: HandCamera, caplog: pytest.LogCaptureFixture
) -> None:
    source = LiveSource("test", Cameras(camera), LiveOptions(queue=9))
    camera.give(1, CORRUPT, GREY, CORRUPT, 2)
    first, second = source.read(), source.read()
    assert values_of(first, second) == [1, 2]
    assert second is not None
    assert second.index == 4
    assert source.health.skipped == 3
    assert caplog.text.count("cannot be decoded") == 1
    close(source, camera)


def test_nothing_but_corrupt_frames_is_a_loss(camera: HandCamera) -> None:
    source = LiveSource("test", Cameras(camera, HandCamera()), LiveOptions(timeout=0.1))
    camera.give(1, CORRUPT)
    time.sleep(0.15)
    camera.given.put(CORRUPT)
    wait_for(lambda: source.health.state == "lost")
    assert source.health.reason == "no frame of 0.1 s can be decoded"
    source.close()


def test_another_resolution_is_passed_on_and_counted(camera: HandCamera) -> None:
    source = LiveSource("test", Cameras(camera), LiveOptions(queue=9))
    small, large = np.zeros((2, 4, 3), np.uint8), np.zeros((4, 8, 3), np.uint8)
    camera.give(small, large, large, small)
    assert [source.read().image.shape[1] for _ in range(4)] == [4, 8, 8, 4]  # type: ignore[union-attr]
    assert source.health.resolution_changes == 2
    close(source, camera)


def test_a_driver_that_hangs_in_a_read_is_left_and_another_thread_takes_over(
    camera: HandCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_GRACE_S", 0.1)
    again = HandCamera()
    source = LiveSource("test", Cameras(camera, again), LiveOptions(timeout=0.1))
    camera.give(1)
    assert values_of(source.read()) == [1]
    again.given.put(2)
    assert values_of(source.read()) == [2]  # camera is still in its grab
    assert not camera.released.is_set()
    assert source.health.reconnects == 1
    camera.given.put(3)
    assert camera.released.wait(5)  # the thread that was left comes back and cleans up
    again.give(4)
    assert values_of(source.read()) == [4]
    assert source.health.skipped == 0
    close(source, again)


def test_a_driver_that_hangs_while_it_opens_is_left_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_OPEN_S", 0.1)
    camera = HandCamera()
    cameras = Cameras(None, camera)
    source = LiveSource("test", cameras)
    camera.given.put(5)
    assert values_of(source.read()) == [5]
    close(source, camera)
    cameras.unblock.set()


def test_patience_begins_anew_when_the_connection_is_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live, "_GRACE_S", 0.1)
    camera = HandCamera()

    def open_slowly() -> HandCamera:
        time.sleep(0.6)
        return camera

    source = LiveSource("test", open_slowly, LiveOptions(timeout=0.4))
    threading.Timer(0.8, camera.given.put, [1]).start()
    assert values_of(source.read()) == [1]
    assert caplog.text == ""
    close(source, camera)


def test_only_so_many_threads_are_left_to_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_OPEN_S", 0.1)
    cameras = Cameras(None)
    source = LiveSource("test", cameras, LiveOptions(give_up=1.2))
    with pytest.raises(EdgeMtlError, match="hangs in its driver"):
        source.read()
    assert len(cameras.opened_s) == 4
    source.close()
    cameras.unblock.set()


@pytest.mark.parametrize("capture", [HandCamera(), EdgeMtlError("no answer"), None])
def test_lesson_it_stops_within_a_second_whatever_it_is_at(capture: Any) -> None:
    """ultralytics#14286: a stream that waits for a camera cannot be stopped."""
    cameras = Cameras(capture)
    source = LiveSource("test", cameras, LiveOptions(give_up="never"))
    found: list[Any] = []
    reader = threading.Thread(target=lambda: found.append(source.read()))
    reader.start()
    time.sleep(0.2)
    start = time.monotonic()
    source.stop()
    reader.join(5)
    source.close()
    assert time.monotonic() - start < 1
    assert found == [None]
    assert source.read() is None
    cameras.unblock.set()


def test_a_driver_that_hangs_is_not_released_by_another_thread(
    camera: HandCamera, caplog: pytest.LogCaptureFixture
) -> None:
    source = LiveSource("test", Cameras(camera))
    camera.give(1)
    source.close()
    assert "test hangs in its driver and is left to it" in caplog.text
    assert not camera.released.is_set()
    camera.given.put(LOST)
    assert camera.released.wait(5)


def test_a_process_ends_while_a_driver_hangs() -> None:
    code = (
        "import time\n"
        "from edge_mtl.runtime.sources.live import LiveSource\n"
        "source = LiveSource('test', lambda: time.sleep(60))\n"
        "source.close()"
    )
    start = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert time.monotonic() - start < 20


def test_health_is_plain_data(camera: HandCamera) -> None:
    source = LiveSource("test", Cameras(camera))
    camera.give(1)
    data = source.health.to_json()
    assert 0 <= data.pop("for_s") < 5
    assert data == {
        "state": "live",
        "reason": "",
        "dropped": 0,
        "skipped": 0,
        "reconnects": 0,
        "resolution_changes": 0,
    }
    close(source, camera)
