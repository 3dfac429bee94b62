"""A sink in a thread of its own: views are never waited for, files never lose a scene."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.sinks import StreamEnded, behind
from edge_mtl.runtime.sinks.behind import Behind
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene

MakeFrame = Callable[..., Frame]
MakeScene = Callable[[Frame], Scene]


class Gate:
    """A sink that writes nothing until it is opened; `fails` at a frame with an error."""

    def __init__(self, fails: dict[int, BaseException] | None = None) -> None:
        self.open = threading.Event()
        self.began = threading.Semaphore(0)
        self.indices: list[int] = []
        self.closed_in: list[str] = []
        self.fails = fails or {}

    def write(self, scene: Scene, frame: Frame) -> None:
        self.began.release()
        assert self.open.wait(30)
        if scene.frame_index in self.fails:
            raise self.fails[scene.frame_index]
        self.indices.append(scene.frame_index)

    def close(self) -> None:
        self.closed_in.append(threading.current_thread().name)


@pytest.fixture
def give(frame: MakeFrame, scene: MakeScene) -> Callable[[Behind, int], None]:
    def write(sink: Behind, index: int) -> None:
        each = frame(index)
        sink.write(scene(each), each)

    return write


Give = Callable[[Behind, int], None]


def test_a_view_that_is_stuck_is_not_waited_for_and_gets_the_newest(give: Give) -> None:
    gate = Gate()
    sink = Behind("view", gate, depth=1, waits=False)
    start = time.monotonic()
    for index in range(100):
        give(sink, index)
        if index == 0:
            gate.began.acquire()  # it has taken the first one
    assert time.monotonic() - start < 1
    gate.open.set()
    sink.close()
    assert gate.indices == [0, 99]
    assert (sink.written, sink.dropped, sink.failure) == (2, 98, None)
    assert gate.closed_in == ["sink view"]


def test_a_file_that_is_slow_loses_nothing(give: Give) -> None:
    class Slow(Gate):
        def write(self, scene: Scene, frame: Frame) -> None:
            time.sleep(0.005)
            self.indices.append(scene.frame_index)

    gate = Slow()
    sink = Behind("file", gate, depth=2, waits=True)
    for index in range(40):
        give(sink, index)
    sink.close()
    assert gate.indices == list(range(40))
    assert sink.dropped == 0


def test_a_stream_that_is_stopped_waits_for_no_stuck_sink(
    give: Give, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(behind, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(behind, "_FAREWELL_S", 0.3)
    monkeypatch.setattr(behind, "_LOOK_S", 0.02)
    gate = Gate()
    sink = Behind("file", gate, depth=1, waits=True)
    give(sink, 0)
    gate.began.acquire()
    give(sink, 1)
    threading.Timer(0.3, sink.stop).start()
    start = time.monotonic()
    give(sink, 2)
    assert 0.5 < time.monotonic() - start < 10
    assert caplog.text.count("the stream waits for it") == 1
    assert caplog.text.count("it is stuck") == 1
    start = time.monotonic()
    sink.close()
    assert time.monotonic() - start < 0.3, "it was waited for twice"
    assert (sink.written, sink.dropped) == (0, 3)
    assert sink.failure is not None
    gate.open.set()


def test_a_stream_that_is_stopped_waits_for_a_slow_sink(
    give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Gate):
        def write(self, scene: Scene, frame: Frame) -> None:
            time.sleep(0.05)
            self.indices.append(scene.frame_index)

    monkeypatch.setattr(behind, "_FAREWELL_S", 0.5)
    monkeypatch.setattr(behind, "_LOOK_S", 0.02)
    gate = Slow()
    sink = Behind("file", gate, depth=1, waits=True)
    sink.stop()
    for index in range(20):  # takes twice as long as a stuck one may
        give(sink, index)
    sink.close()
    assert gate.indices == list(range(20))
    assert (sink.dropped, sink.failure) == (0, None)


def test_a_sink_that_fails_is_closed_and_said_once(
    give: Give, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate({2: EdgeMtlError("disk full")})
    gate.open.set()
    sink = Behind("file", gate, depth=4, waits=True)
    for index in range(10):
        give(sink, index)
    sink.close()
    assert gate.indices == [0, 1]
    assert gate.closed_in == ["sink file"]
    assert (sink.written, sink.failure) == (2, "disk full")
    assert sink.dropped == 8
    assert caplog.text.count("file stopped after 2 scenes: disk full") == 1


def give_all(give: Give, sink: Behind) -> None:
    for index in range(1000):
        give(sink, index)
        time.sleep(0.001)


@pytest.mark.parametrize("error", [StreamEnded(), BrokenPipeError(), ZeroDivisionError("a bug")])
def test_what_is_no_failure_comes_back_to_the_stream(give: Give, error: Exception) -> None:
    gate = Gate({1: error})
    gate.open.set()
    sink = Behind("view", gate, depth=4, waits=True)
    with pytest.raises(type(error)):
        give_all(give, sink)
    assert gate.indices == [0]
    sink.close()  # it was told already
    assert len(gate.closed_in) == 1


def test_a_sink_that_is_stuck_at_the_end_is_left(
    give: Give, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(behind, "_FAREWELL_S", 0.2)
    gate = Gate()
    sink = Behind("pipe", gate, depth=4, waits=True)
    for index in range(3):
        give(sink, index)
    gate.began.acquire()
    sink.close()
    assert "pipe stopped after 0 scenes: it is stuck" in caplog.text
    assert (sink.written, sink.dropped) == (0, 3)
    gate.open.set()


def test_a_bug_in_the_last_scene_is_not_lost(give: Give) -> None:
    gate = Gate({0: ZeroDivisionError("a bug")})
    sink = Behind("view", gate, depth=1, waits=True)
    give(sink, 0)
    gate.open.set()
    with pytest.raises(ZeroDivisionError):
        sink.close()
    sink.close()


def test_a_viewer_that_leaves_at_the_end_is_no_error(give: Give) -> None:
    gate = Gate({0: StreamEnded()})
    sink = Behind("view", gate, depth=1, waits=True)
    give(sink, 0)
    gate.open.set()
    sink.close()
