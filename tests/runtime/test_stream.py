from __future__ import annotations

import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime import lanes
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sinks import StreamEnded
from edge_mtl.runtime.sources import Frame, Health
from edge_mtl.runtime.sources.live import LiveOptions, LiveSource
from edge_mtl.runtime.sources.queued import QueueSource
from edge_mtl.runtime.stream import Stream
from edge_mtl.scene import Scene

pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")


@pytest.fixture(scope="module")
def pipeline(tiny_bundle: Bundle) -> Pipeline:
    return Pipeline.from_bundle(tiny_bundle, "onnxruntime", 1)


class Frames:
    """A source of grey frames; `on_read` is called with the index before each."""

    name, live, frames_per_second = "frames", False, 25.0

    def __init__(self, length: int | None, on_read: Callable[[int], Any] = lambda _: None) -> None:
        self.length = length
        self.health = Health(dropped=3)
        self.closed = 0
        self._on_read = on_read
        self._index = 0

    def read(self) -> Frame | None:
        self._on_read(self._index)
        if self._index == self.length:
            return None
        self._index += 1
        return Frame(np.zeros((48, 90, 3), np.uint8), self._index - 1, time.monotonic_ns())

    def stop(self) -> None:
        """A read does not wait."""

    def close(self) -> None:
        self.closed += 1


class Collector:
    """A sink that remembers; `on_write` is called with the number of frames before each."""

    def __init__(self, on_write: Callable[[int], Any] = lambda _: None) -> None:
        self.indices: list[int] = []
        self.closed = 0
        self._on_write = on_write

    def write(self, scene: Scene, frame: Frame) -> None:
        self._on_write(len(self.indices))
        assert scene.captured_ns == frame.captured_ns
        self.indices.append(scene.frame_index)

    def close(self) -> None:
        self.closed += 1


def raiser(at: int, error: BaseException) -> Callable[[int], None]:
    def check(index: int) -> None:
        if index == at:
            raise error

    return check


def test_every_frame_goes_to_every_sink_and_all_is_closed(pipeline: Pipeline) -> None:
    source, sinks = Frames(4), [Collector(), Collector()]
    seen: list[int] = []
    stream = Stream(
        source, [pipeline], sinks, on_scene=lambda scene: seen.append(scene.frame_index)
    )
    report = stream.run()
    assert seen == sinks[0].indices == sinks[1].indices == [0, 1, 2, 3]
    assert (source.closed, sinks[0].closed, sinks[1].closed) == (1, 1, 1)
    assert report.ended_by == "source"
    assert (report.dropped, report.skipped, report.latency.frames) == (3, 0, 4)


def test_stages_add_up(pipeline: Pipeline) -> None:
    report = Stream(Frames(5, lambda _: time.sleep(0.005)), [pipeline], [Collector()]).run()
    stages = report.latency.stages
    names = ["source", "preprocess", "engine", "head", "sinks", "total", "latency"]
    assert list(stages) == names
    assert all(stage.count == 5 for stage in stages.values())
    parts = sum(stages[name].mean_ms for name in names[:5])
    assert parts == pytest.approx(stages["total"].mean_ms, rel=0.2)
    assert stages["source"].p50_ms >= 5
    assert stages["latency"].mean_ms < stages["total"].mean_ms - 4
    data = report.to_json()
    assert data["frames"] == 5
    assert data["fps"] == pytest.approx(5 / data["elapsed_s"], rel=0.05)
    assert data["stages"].keys() == set(names)
    assert (data["dropped"], data["ended_by"]) == (3, "source")


def test_max_frames(pipeline: Pipeline) -> None:
    report = Stream(Frames(None), [pipeline], max_frames=3).run()
    assert (report.latency.frames, report.ended_by) == (3, "max_frames")


def test_a_source_without_frames(pipeline: Pipeline) -> None:
    report = Stream(Frames(0), [pipeline]).run()
    assert report.to_json()["stages"] == {}


def test_a_viewer_that_leaves_ends_the_stream(pipeline: Pipeline) -> None:
    sink = Collector(raiser(2, StreamEnded()))
    report = Stream(Frames(None), [pipeline], [sink]).run()
    assert (report.ended_by, sink.indices, sink.closed) == ("sink", [0, 1], 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_stream_after_the_frame(
    pipeline: Pipeline, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    source = Frames(None, lambda i: signal.raise_signal(number) if i == 2 else None)
    sink = Collector()
    report = Stream(source, [pipeline], [sink]).run()
    assert report.ended_by == "stop"
    # What was in work when it came is finished, no more.
    assert sink.indices == list(range(len(sink.indices)))
    assert 2 <= len(sink.indices) <= 8
    assert (source.closed, sink.closed) == (1, 1)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("opens", [False, None])
def test_a_signal_ends_a_stream_whose_camera_is_not_there(
    pipeline: Pipeline, opens: bool | None
) -> None:
    """Neither a camera that refuses nor one that does not answer keeps it longer than a second."""
    unblock = threading.Event()

    def open_capture() -> Any:
        if opens is None:
            unblock.wait(20)
        raise EdgeMtlError("no answer")

    source = LiveSource("camera", open_capture, LiveOptions(give_up="never"))
    sent_s: list[float] = []

    def send() -> None:
        sent_s.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Timer(0.3, send).start()
    report = Stream(source, [pipeline]).run()
    assert time.monotonic() - sent_s[0] < 1
    assert (report.ended_by, report.latency.frames) == ("stop", 0)
    unblock.set()


@pytest.fixture
def spoilt(tiny_bundle: Bundle) -> Iterator[tuple[Pipeline, set[int]]]:
    """A pipeline whose network makes no numbers of its runs of these numbers, from 0."""
    runs, bad = count(), set[int]()
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime", 1) as pipeline:
        infer = pipeline.engine.infer

        def spoil(frames: int = 1) -> None:
            infer(frames)
            if next(runs) in bad:
                for values in pipeline.engine.outputs.values():
                    values.fill(np.nan)

        pipeline.engine.infer = spoil  # type: ignore[method-assign]
        yield pipeline, bad


def test_frames_of_which_the_network_makes_no_numbers_are_dropped_and_counted(
    spoilt: tuple[Pipeline, set[int]], caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, bad = spoilt
    bad |= {0, 3, 4, 9}
    sink = Collector()
    report = Stream(Frames(10), [pipeline], [sink]).run()
    assert sink.indices == [1, 2, 5, 6, 7, 8]
    assert (report.faulty, report.latency.frames, report.ended_by) == (4, 6, "source")
    assert report.to_json()["faulty"] == 4
    assert caplog.text.count("is not finite") == 3, "once for each time that it begins"


def test_a_network_that_makes_no_numbers_any_more_ends_the_stream(
    spoilt: tuple[Pipeline, set[int]],
) -> None:
    pipeline, bad = spoilt
    bad.update(range(5, 1000))
    sink = Collector()
    with pytest.raises(EdgeMtlError, match=r"frame 104: the network's output .* is not finite"):
        Stream(Frames(None), [pipeline], [sink]).run()
    assert sink.indices == [0, 1, 2, 3, 4]
    assert sink.closed == 1


def test_while_it_waits_for_a_camera_it_says_so(pipeline: Pipeline) -> None:
    source = QueueSource()
    waited: list[float] = []

    def wait() -> None:
        waited.append(time.monotonic())
        if len(waited) == 2:
            source.end()

    report = Stream(source, [pipeline], on_wait=wait).run()
    assert (report.ended_by, report.latency.frames) == ("source", 0)
    assert len(waited) >= 2


def test_a_stop_is_told_where_sinks_may_be_stuck(pipeline: Pipeline) -> None:
    told: list[str] = []
    source = Frames(None, lambda index: stream.stop() if index == 3 else None)
    stream = Stream(source, [pipeline], on_stop=lambda: told.append("stop"))
    assert stream.run().ended_by == "stop"
    assert told == ["stop"]


def test_frames_of_a_queue_go_through_with_their_numbers_and_stamps(pipeline: Pipeline) -> None:
    source, sink = QueueSource(capacity=4, newest_wins=False), Collector()
    for stamp_ns in (5, 6, 7):
        source.put(np.zeros((48, 90, 3), np.uint8), captured_ns=stamp_ns)
    source.end()
    scenes: list[Scene] = []
    report = Stream(source, [pipeline], [sink], on_scene=scenes.append).run()
    assert (report.ended_by, sink.indices) == ("source", [0, 1, 2])
    assert [scene.captured_ns for scene in scenes] == [5, 6, 7]


def test_a_second_ctrl_c_aborts_and_still_closes(pipeline: Pipeline) -> None:
    def interrupt_twice(index: int) -> None:
        if index == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    source, sink = Frames(None), Collector(interrupt_twice)
    with pytest.raises(KeyboardInterrupt):
        Stream(source, [pipeline], [sink]).run()
    assert (sink.indices, source.closed, sink.closed) == ([0, 1], 1, 1)


def test_stop_from_another_thread(pipeline: Pipeline) -> None:
    stream = Stream(Frames(None), [pipeline])
    threading.Timer(0.05, stream.stop).start()
    assert stream.run().ended_by == "stop"


def test_a_stream_runs_outside_the_main_thread(pipeline: Pipeline) -> None:
    reports: list[Any] = []
    thread = threading.Thread(target=lambda: reports.append(Stream(Frames(2), [pipeline]).run()))
    thread.start()
    thread.join(5)
    assert reports[0].latency.frames == 2


@pytest.mark.parametrize("part", ["source", "sink"])
def test_what_is_lost_is_reported_and_the_rest_closed(pipeline: Pipeline, part: str) -> None:
    fail = raiser(2, EdgeMtlError(f"{part} lost"))
    source = Frames(None, fail) if part == "source" else Frames(None)
    sinks = [Collector(), Collector(fail) if part == "sink" else Collector()]
    with pytest.raises(EdgeMtlError, match=f"{part} lost"):
        Stream(source, [pipeline], sinks).run()
    assert (source.closed, sinks[0].closed, sinks[1].closed) == (1, 1, 1)


def test_a_sink_that_cannot_close_keeps_no_other_from_it(pipeline: Pipeline) -> None:
    class Stuck(Collector):
        def close(self) -> None:
            raise EdgeMtlError("cannot close")

    source, sinks = Frames(1), [Collector(), Stuck(), Collector()]
    with pytest.raises(EdgeMtlError, match="cannot close"):
        Stream(source, [pipeline], sinks).run()
    assert (source.closed, sinks[0].closed, sinks[2].closed) == (1, 1, 1)


class Slow:
    """A pipeline that takes its time, longer for even frames than for odd ones, and fails or hangs
    at some."""

    most_frames = 1

    def __init__(self, fails_at: int = -1, hangs_at: int = -1) -> None:
        self.fails_at, self.hangs_at = fails_at, hangs_at
        self.release = threading.Event()

    def batch(self, frames: Sequence[Frame]) -> list[Scene]:
        return [self._look(frame.index, frame.captured_ns) for frame in frames]

    def _look(self, frame_index: int, captured_ns: int) -> Scene:
        time.sleep(0.001 if frame_index % 2 else 0.004)
        if frame_index == self.fails_at:
            raise EdgeMtlError("pipeline failed")
        if frame_index == self.hangs_at:
            self.release.wait(20)
        return Scene((90, 48), {}, {}, {}, {}, frame_index, captured_ns, {"engine": 1.0})


@pytest.mark.parametrize("count", [1, 2, 5])
def test_scenes_come_in_the_order_of_frames_however_many_lanes(count: int) -> None:
    sink = Collector()
    report = Stream(Frames(60), [Slow() for _ in range(count)], [sink]).run()  # type: ignore[misc]
    assert sink.indices == list(range(60))
    assert report.ended_by == "source"


def test_lanes_work_at_the_same_time() -> None:
    """Each waits in its pipeline until the other one is there."""
    both = threading.Barrier(2)

    class Meeting(Slow):
        def batch(self, frames: Sequence[Frame]) -> list[Scene]:
            both.wait(10)
            return super().batch(frames)

    report = Stream(Frames(6), [Meeting(), Meeting()]).run()  # type: ignore[list-item]
    assert report.latency.frames == 6


def test_what_was_seen_before_a_failure_reaches_the_sinks_and_nothing_after() -> None:
    source, sink = Frames(None), Collector()
    slow = [Slow(fails_at=20) for _ in range(3)]
    with pytest.raises(EdgeMtlError, match="pipeline failed"):
        Stream(source, slow, [sink]).run()  # type: ignore[arg-type]
    assert sink.indices == list(range(20))
    assert (source.closed, sink.closed) == (1, 1)


def test_a_slow_sink_holds_back_a_file_and_nothing_is_lost() -> None:
    read = 0

    def count(index: int) -> None:
        nonlocal read
        read = index

    sink = Collector(lambda written: time.sleep(0.01))
    ahead = []
    stream = Stream(
        Frames(20, count),
        [Slow(), Slow()],  # type: ignore[list-item]
        [sink],
        on_scene=lambda scene: ahead.append(read - scene.frame_index),
    )
    stream.run()
    assert sink.indices == list(range(20))
    assert max(ahead) <= 8  # four scenes wait, two are in work, one is read, one is written


def test_a_pipeline_that_hangs_ends_the_stream_and_says_where(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lanes, "_LOOK_S", 0.02)
    monkeypatch.setattr(lanes, "HUNG_S", 0.2)
    slow = Slow(hangs_at=3)
    sink = Collector()
    with pytest.raises(lanes.HungError, match=r"frame 3: expected a scene within 0\.2 s"):
        Stream(Frames(None), [slow], [sink]).run()  # type: ignore[arg-type]
    slow.release.set()
    assert sink.indices == [0, 1, 2]
    assert "self.release.wait(20)" in caplog.text


def test_frames_past_the_deadline_are_counted_or_left_out() -> None:
    class Stale(Frames):
        """Every third frame has waited for long."""

        def read(self) -> Frame | None:
            frame = super().read()
            if frame is None or frame.index % 3:
                return frame
            return Frame(frame.image, frame.index, frame.captured_ns - 10**9)

    for late, indices, missed, stale in (
        ("report", list(range(9)), 3, 0),
        ("skip", [1, 2, 4, 5, 7, 8], 0, 3),
    ):
        sink = Collector()
        report = Stream(
            Stale(9),
            [Slow()],  # type: ignore[list-item]
            [sink],
            deadline_ms=500,
            late=late,  # type: ignore[arg-type]
        ).run()
        assert sink.indices == indices
        assert (report.missed, report.stale) == (missed, stale)


def test_nothing_is_allocated_for_a_frame_once_the_stream_is_steady(tiny_bundle: Bundle) -> None:
    """Masks of the frame's size take 0.9 MB each."""
    image = np.zeros((720, 1280, 3), np.uint8)

    class Same(Frames):
        def read(self) -> Frame | None:
            frame = super().read()
            return frame and Frame(image, frame.index, frame.captured_ns)

    peaks: list[int] = []

    def measure(scene: Scene) -> None:
        if scene.frame_index == 50:
            tracemalloc.start()
        if scene.frame_index > 55:
            now, peak = tracemalloc.get_traced_memory()
            peaks.append(peak - now)
            tracemalloc.reset_peak()

    pipelines = Pipeline.open_several(tiny_bundle, 2, "onnxruntime", 2)
    try:
        Stream(Same(150), pipelines, [Collector()], on_scene=measure).run()
    finally:
        tracemalloc.stop()
        for each in pipelines:
            each.close()
    # Where more frames are under way than ever before, new memory is taken: rarely, and no more.
    large = sum(peak > 1280 * 720 / 10 for peak in peaks)
    assert large <= 0.1 * len(peaks)
