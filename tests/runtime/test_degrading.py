"""Past the deadline lighter networks take over, and the full one comes back without flapping."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.runtime import degrading
from edge_mtl.runtime.degrading import (
    LEAST_STRETCH_S,
    MOST_STRETCH_S,
    Degradation,
    DegradingPipeline,
    open_degrading,
)
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame, Health
from edge_mtl.runtime.stream import Stream
from edge_mtl.scene import Scene

pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")

STEP_S = 1 / 30
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


def play(
    degradation: Degradation, frames: int, age_ms: Callable[[int, bool], float], start_s: float = 0
) -> list[bool]:
    """Whether each frame of a camera of 30 frames a second was degraded; `age_ms` says how old it
    is when its scene is there, by its number and by that."""
    on = []
    for index in range(frames):
        on.append(degradation.turn([""]) is not None)
        degradation.note(age_ms(index, on[-1]), start_s + index * STEP_S)
    return on


def switches(on: list[bool]) -> list[int]:
    return [index for index, (a, b) in enumerate(pairwise(on), start=1) if a != b]


def test_a_machine_that_keeps_up_never_degrades() -> None:
    assert not any(play(Degradation(100), 300, lambda *_: 100.0))


def test_one_late_scene_costs_two_seconds() -> None:
    on = play(Degradation(100), 300, lambda index, _: 150.0 if index == 10 else 50.0)
    assert switches(on) == [11, 11 + round(LEAST_STRETCH_S / STEP_S)]


def test_late_scenes_of_lighter_networks_put_the_return_off() -> None:
    on = play(Degradation(100), 300, lambda index, _: 150.0 if index in (10, 60) else 50.0)
    assert switches(on) == [11, 61 + round(LEAST_STRETCH_S / STEP_S)]


def test_a_machine_too_slow_for_the_full_network_tries_it_ever_more_rarely() -> None:
    """Of ten minutes a dozen scenes are late, and never two within the stretch."""
    on = play(Degradation(100), 18_000, lambda _, degraded: 50.0 if degraded else 150.0)
    full = [index for index, degraded in enumerate(on) if not degraded]
    apart_s = [round((b - a) * STEP_S) for a, b in pairwise(full)]
    assert apart_s[:6] == [2, 4, 8, 16, 32, 64]
    assert set(apart_s[6:]) == {round(MOST_STRETCH_S)}
    assert len(full) < 16


def test_after_a_long_while_without_a_late_scene_the_first_stretch_is_the_shortest_again() -> None:
    degradation = Degradation(100)
    play(degradation, 600, lambda _, degraded: 50.0 if degraded else 150.0)
    again = play(degradation, 6000, lambda *_: 50.0, start_s=20.0)
    assert again[0]
    assert not again[-1]
    last = play(degradation, 100, lambda index, _: 150.0 if index == 0 else 50.0, start_s=220.0)
    assert switches(last) == [1, 1 + round(LEAST_STRETCH_S / STEP_S)]


def test_lighter_networks_take_turns_whichever_pipeline_asks() -> None:
    degradation = Degradation(100)
    assert degradation.turn([""]) is None
    degradation.note(150, 0.0)
    assert [degradation.turn([""]) for _ in range(4)] == [0, 1, 2, 3]


def test_of_cameras_that_come_in_turns_none_has_the_same_half_every_time() -> None:
    degradation = Degradation(100)
    degradation.note(150, 0.0)
    turns = [degradation.turn([camera]) for camera in "ababab"]
    assert turns == [0, 0, 1, 1, 2, 2]
    assert [degradation.turn(["a", "b"]) for _ in range(2)] == [3, 4]


@pytest.fixture
def opened(tiny_bundle_every_second: Bundle) -> Iterator[list[DegradingPipeline]]:
    pipelines = open_degrading(tiny_bundle_every_second, 2, 100.0, "onnxruntime", 2)
    yield pipelines
    for pipeline in pipelines:
        pipeline.close()


def slow(pipeline: Pipeline, wait: Callable[[], None]) -> None:
    infer = pipeline.engine.infer

    def waits(frames: int = 1) -> None:
        wait()
        infer(frames)

    pipeline.engine.infer = waits  # type: ignore[method-assign]


def test_an_engine_that_is_too_slow_gives_way_and_comes_back(
    opened: list[DegradingPipeline],
    tiny_bundle: Bundle,
    assert_same: Callable[[Scene, Scene], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A clock that the engines move: the full network takes 0.15 s while it is slow, then 0.05 s,
    the lighter ones always 0.05 s."""
    now_s, full_s = 1000.0, 0.15

    def passes(seconds: Callable[[], float]) -> Callable[[], None]:
        def wait() -> None:
            nonlocal now_s
            now_s += seconds()

        return wait

    monkeypatch.setattr(degrading.time, "monotonic_ns", lambda: round(now_s * 1e9))
    pipeline = opened[0]
    slow(pipeline._full, passes(lambda: full_s))
    for lighter in pipeline._lighter:
        slow(lighter, passes(lambda: 0.05))
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime", 1) as plain:
        expected = plain(IMAGE)

    def look() -> Scene:
        [scene] = pipeline.batch([Frame(IMAGE, 3, round(now_s * 1e9))])
        return scene

    with caplog.at_level(logging.INFO):
        first = look()
        scenes = [look() for _ in range(40)]
        second = look()  # late again
        full_s = 0.05
        more = [look() for _ in range(80)]
        last = look()
    for scene in (first, second, last):
        assert not scene.degraded
        assert scene.masks.keys() == {"classes", "drivable"}
        assert scene.detections.keys() == {"detection"}
        assert_same(scene, expected)
        assert_same(expected, scene)
    for index, scene in enumerate([*scenes, *more]):
        assert scene.degraded
        assert (scene.frame_index, scene.size) == (3, (96, 64))
        assert list(scene.stages_ms) == ["preprocess", "engine", "head"]
        names = ({"classes", "drivable"}, set()) if index % 2 == 0 else (set(), {"detection"})
        assert (scene.masks.keys(), scene.detections.keys()) == names
        assert scene.poses.keys() == ({"pose"} if index % 2 else set())
        assert scene.classifications.keys() == ({"time"} if index % 2 else set())
        assert_same(expected, scene)  # bit for bit, as far as it goes
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "a scene came 150 ms after its frame, 100 ms are allowed",
        "no scene was late for 2 s",
        "a scene came 150 ms after its frame, 100 ms are allowed",
        "no scene was late for 4 s",
    ]


def test_frames_of_no_known_time_are_never_late(opened: list[DegradingPipeline]) -> None:
    unknown, ancient = Frame(IMAGE, 0, 0), Frame(IMAGE, 1, 1)
    for _ in range(3):
        assert not opened[0].batch([unknown])[0].degraded
    assert not opened[0].batch([ancient])[0].degraded  # as old as the machine's clock
    assert opened[1].batch([unknown])[0].degraded  # as the other pipelines of the stream know


class Camera:
    """A source of frames that are new when they are read."""

    name, live, frames_per_second, length = "frames", False, 25.0, 12

    def __init__(self) -> None:
        self.health = Health()
        self._index = 0

    def read(self) -> Frame | None:
        self._index += 1
        if self._index > self.length:
            return None
        return Frame(IMAGE, self._index - 1, time.monotonic_ns())

    def stop(self) -> None:
        """A read does not wait."""

    def close(self) -> None:
        """Nothing is held."""


def test_a_stream_counts_what_was_degraded(opened: list[DegradingPipeline]) -> None:
    for pipeline in opened:
        slow(pipeline._full, lambda: time.sleep(0.15))
    scenes: list[Scene] = []
    report = Stream(Camera(), opened, on_scene=scenes.append, deadline_ms=100.0).run()
    assert [scene.frame_index for scene in scenes] == list(range(12))
    assert report.degraded == sum(scene.degraded for scene in scenes) >= 8
    assert report.degradations >= 1
    assert report.missed >= 1
    data = report.to_json()
    assert (data["degraded"], data["degradations"]) == (report.degraded, report.degradations)


def test_all_networks_run_in_the_engine_of_the_full_one(
    tiny_bundle_every_second: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which "auto" chooses once."""
    asked = []
    real = Pipeline.open_several

    def open_several(bundle: Bundle, count: int, engine: str, *rest: object) -> list[Pipeline]:
        asked.append(engine)
        return real(bundle, count, "onnxruntime", *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "open_several", open_several)
    [pipeline] = open_degrading(tiny_bundle_every_second, 1, 100.0)
    with closing(pipeline):
        assert asked == ["auto", "onnxruntime", "onnxruntime"]
        assert pipeline.engine is pipeline._full.engine


def test_what_was_opened_is_closed_where_a_lighter_network_does_not_open(
    tiny_bundle_every_second: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    real = Pipeline.close
    monkeypatch.setattr(Pipeline, "close", lambda self: (closed.append(self), real(self)))
    bundle = tiny_bundle_every_second
    broken = _without_weights(bundle.lighter()[1]).packed()
    files = {**bundle.files, "lighter-1.emtl": broken}
    with pytest.raises(EdgeMtlError, match="onnxruntime refuses the network"):
        open_degrading(Bundle(bundle.path, bundle.manifest, files), 2, 100.0, "onnxruntime")
    assert len(closed) == 4


def _without_weights(bundle: Bundle) -> Bundle:
    onnx = pytest.importorskip("onnx", reason="onnx, of the extra export, makes the test network")
    model = onnx.load_from_string(bundle.network)
    del model.graph.initializer[:]
    files = {"network.onnx": model.SerializeToString()}
    entries = Bundle.create(Path("a.emtl"), files, **_facts(bundle)).manifest.files
    return Bundle(bundle.path, msgspec.structs.replace(bundle.manifest, files=entries), files)


def _facts(bundle: Bundle) -> dict[str, object]:
    names = ("spec", "target", "precision", "input", "outputs")
    return {name: getattr(bundle.manifest, name) for name in names}


def test_a_bundle_without_a_lighter_network_is_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(UsageError, match="expected a bundle that can degrade, found no"):
        open_degrading(tiny_bundle, 1, 100.0)
