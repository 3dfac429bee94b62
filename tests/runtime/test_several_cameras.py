"""Several cameras through one stream: real pipelines with a network for three frames at a time."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame, Health
from edge_mtl.runtime.sources.cameras import Cameras
from edge_mtl.runtime.stream import Stream
from edge_mtl.scene import Scene

pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

SIZES = {"front": (48, 90), "rear": (123, 77), "side": (64, 96)}


def noise(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


class Clip:
    """A file, or with a `step_s` a camera, of `length` frames; `on_read` may raise."""

    def __init__(
        self,
        images: list[NDArray[np.uint8]],
        length: int,
        on_read: Callable[[int], Any] = lambda _: None,
        step_s: float = 0.0,
        age_s: float = 0.0,
    ) -> None:
        self.name, self.frames_per_second = "clip", 25.0
        self.live = bool(step_s)
        self.length: int | None = length
        self.health = Health()
        self._images, self._on_read, self._step_s, self._age_s = images, on_read, step_s, age_s
        self._index = 0

    def read(self) -> Frame | None:
        self._on_read(self._index)
        if self._index == self.length:
            return None
        time.sleep(self._step_s)
        self._index += 1
        image = self._images[(self._index - 1) % len(self._images)]
        captured_ns = time.monotonic_ns() - int(1e9 * self._age_s)
        return Frame(image, self._index - 1, captured_ns)

    def stop(self) -> None:
        self.length = self._index

    def close(self) -> None:
        """Nothing is held."""


class Collector:
    """A sink that remembers everything by camera."""

    def __init__(self) -> None:
        self.scenes: dict[str, list[Scene]] = defaultdict(list)

    def write(self, scene: Scene, frame: Frame) -> None:
        assert (scene.frame_index, scene.captured_ns) == (frame.index, frame.captured_ns)
        self.scenes[frame.camera].append(scene)

    def close(self) -> None:
        """Nothing is held."""

    def indices(self, camera: str) -> list[int]:
        return [scene.frame_index for scene in self.scenes[camera]]


@pytest.fixture
def pipelines(tiny_bundle_of_3: Bundle) -> Iterator[list[Pipeline]]:
    opened = Pipeline.open_several(tiny_bundle_of_3, 2, "onnxruntime", 2)
    yield opened
    for pipeline in opened:
        pipeline.close()


def test_every_camera_sees_what_it_would_see_alone_in_its_own_order(
    tiny_bundle: Bundle, pipelines: list[Pipeline], assert_same: Callable[[Scene, Scene], None]
) -> None:
    lengths = {"front": 12, "rear": 7, "side": 9}
    images = {
        name: [noise(*SIZES[name], seed) for seed in range(length)]
        for name, length in lengths.items()
    }
    sink = Collector()
    cameras = Cameras({name: Clip(each, len(each)) for name, each in images.items()})
    report = Stream(cameras, pipelines, [sink]).run()
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime", 1) as alone:
        for name, each in images.items():
            assert sink.indices(name) == list(range(lengths[name]))
            for scene, image in zip(sink.scenes[name], each, strict=True):
                assert_same(scene, alone(image))
    assert (report.latency.frames, report.ended_by) == (28, "source")
    assert {name: each.latency.frames for name, each in report.cameras.items()} == lengths
    data = report.to_json()
    assert data["cameras"]["rear"]["frames"] == 7
    assert data["cameras"]["rear"]["stages"].keys() == data["stages"].keys()
    assert data["cameras"]["rear"]["failure"] is None


def test_the_death_of_a_camera_is_counted_and_the_others_run_on(
    pipelines: list[Pipeline], caplog: pytest.LogCaptureFixture
) -> None:
    dead = threading.Event()

    def die(index: int) -> None:
        if index == 3:
            dead.set()
            raise EdgeMtlError("the cable is cut")

    images = [noise(48, 90, 0)]
    sink = Collector()
    clips = {
        "front": Clip(images, 99, die),
        "rear": Clip(images, 20, lambda index: index < 10 or dead.wait(10)),
    }
    report = Stream(Cameras(clips), pipelines, [sink]).run()
    assert (sink.indices("front"), sink.indices("rear")) == ([0, 1, 2], list(range(20)))
    assert report.ended_by == "source"
    assert report.cameras["front"].failure == "the cable is cut"
    assert report.cameras["rear"].failure is None
    assert caplog.text.count("the cable is cut") == 1


def test_a_stream_whose_cameras_all_die_fails_after_what_was_seen(
    pipelines: list[Pipeline],
) -> None:
    def die(index: int) -> None:
        if index == 5:
            raise EdgeMtlError("no light")

    sink = Collector()
    cameras = Cameras({name: Clip([noise(48, 90, 0)], 9, die) for name in ("front", "rear")})
    with pytest.raises(EdgeMtlError, match=r"all 2 cameras are lost: .*no light.*no light"):
        Stream(cameras, pipelines, [sink]).run()
    assert sink.indices("front") == sink.indices("rear") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("frames", [1, 4, 7])
def test_a_stream_of_batches_stops_after_so_many_frames(
    pipelines: list[Pipeline], frames: int
) -> None:
    images = [noise(48, 90, 0)]
    cameras = Cameras({name: Clip(images, 99) for name in SIZES})
    report = Stream(cameras, pipelines, max_frames=frames).run()
    assert (report.latency.frames, report.ended_by) == (frames, "max_frames")


def test_cameras_run_until_they_are_stopped(pipelines: list[Pipeline]) -> None:
    images = [noise(48, 90, 0)]
    sink = Collector()
    cameras = Cameras(
        {"fast": Clip(images, 9999, step_s=0.004), "slow": Clip(images, 9999, step_s=0.05)}
    )
    stream = Stream(cameras, pipelines, [sink])
    threading.Timer(1.0, stream.stop).start()
    start = time.monotonic()
    report = stream.run()
    assert time.monotonic() - start < 3
    assert report.ended_by == "stop"
    fast, slow = report.cameras["fast"], report.cameras["slow"]
    assert fast.latency.frames > slow.latency.frames > 3
    assert slow.health.dropped <= 2 + slow.latency.frames / 2
    for name in ("fast", "slow"):
        assert sink.indices(name) == sorted(set(sink.indices(name)))


def test_late_frames_are_counted_and_left_out_by_camera(pipelines: list[Pipeline]) -> None:
    images = [noise(48, 90, 0)]
    for late, frames, missed, stale in (("report", 9, 9, 0), ("skip", 0, 0, 9)):
        cameras = Cameras({"late": Clip(images, 9, age_s=60), "early": Clip(images, 9)})
        report = Stream(
            cameras,
            pipelines,
            deadline_ms=30_000,
            late=late,  # type: ignore[arg-type]
        ).run()
        one = report.cameras["late"]
        assert (one.latency.frames, one.missed, one.stale) == (frames, missed, stale)
        assert (report.missed, report.stale) == (missed, stale)
        assert report.cameras["early"].latency.frames == 9


def test_nothing_is_allocated_for_a_frame_once_cameras_are_steady(
    pipelines: list[Pipeline],
) -> None:
    """Masks of the frames' sizes take 0.9 MB and 2 MB each."""
    cameras = Cameras(
        {
            "front": Clip([np.zeros((720, 1280, 3), np.uint8)], 80),
            "rear": Clip([np.zeros((1080, 1920, 3), np.uint8)], 80),
        }
    )
    peaks: list[int] = []

    def measure(scene: Scene) -> None:
        if scene.frame_index == 30 and not tracemalloc.is_tracing():
            tracemalloc.start()
        if scene.frame_index > 35:
            now, peak = tracemalloc.get_traced_memory()
            peaks.append(peak - now)
            tracemalloc.reset_peak()

    try:
        Stream(cameras, pipelines, on_scene=measure).run()
    finally:
        tracemalloc.stop()
    # Where more frames are under way than ever before, new memory is taken: rarely, and no more.
    assert sum(peak > 1280 * 720 / 10 for peak in peaks) <= 0.1 * len(peaks)
