from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_mtl import reference
from edge_mtl.bundle import Bundle
from edge_mtl.errors import EdgeMtlError, UsageError
from edge_mtl.placement import Placement
from edge_mtl.runtime.engines import open_engine
from edge_mtl.runtime.pipeline import Pipeline
from edge_mtl.runtime.sources import Frame
from edge_mtl.scene import Scene
from edge_mtl.spec import InputSpec, ModelSpec
from edge_mtl.tasks import ClassificationTask, DetectionTask, PoseTask, SegmentationTask

pytest.importorskip("onnxruntime", reason="the extra cpu is not installed")


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(params=["float32", "uint8"])
def bundle(request: pytest.FixtureRequest, tiny_bundle: Bundle, tiny_bundle_8bit: Bundle) -> Bundle:
    return tiny_bundle if request.param == "float32" else tiny_bundle_8bit


@pytest.mark.parametrize("mask_size", ["frame", "network"])
@pytest.mark.parametrize(("height", "width"), [(48, 90), (123, 77)])
def test_a_scene_is_what_the_numpy_twins_make_of_it(
    bundle: Bundle, mask_size: Literal["frame", "network"], height: int, width: int
) -> None:
    frame, spec = noise(height, width), bundle.spec
    placement = Placement.fit((width, height), spec.input)
    with Pipeline.from_bundle(bundle, "onnxruntime", 1, mask_size) as pipe:
        scene = pipe(frame, frame_index=5, captured_ns=7)
        image = reference.preprocess(frame, placement, spec.input, bundle.manifest.input)
        # Float tables may round differently by an ulp; the result below is from the same raw ones.
        np.testing.assert_allclose(pipe.engine.image, image, rtol=1e-6, atol=1e-6)
        expected = reference.fused_head(
            spec, bundle.manifest.outputs, pipe.engine.outputs, placement, mask_size
        )
    assert (scene.size, scene.frame_index, scene.captured_ns) == ((width, height), 5, 7)
    assert len(scene.detections["detection"]) > 0
    np.testing.assert_array_equal(
        scene.detections["detection"].boxes, expected.detections["detection"].boxes
    )
    assert scene.masks.keys() == {"classes", "drivable"}
    shape = (height, width) if mask_size == "frame" else (placement.height, placement.width)
    for name, mask in scene.masks.items():
        assert mask.labels.shape == shape
        np.testing.assert_array_equal(mask.labels, expected.masks[name].labels)


class FixedEngine:
    """An engine whose network says the same about every picture."""

    name = "fixed"

    def __init__(self, spec: ModelSpec) -> None:
        rng = np.random.default_rng(0)
        self.input_tensor, self.output_tensors = spec.input_tensor, spec.output_tensors
        self.image = np.zeros(self.input_tensor.shape, np.float32)
        self.planes: dict[str, NDArray[Any]] = {}
        self.plane_tensors = spec.plane_tensors
        self.outputs = {
            tensor.name: rng.normal(size=tensor.shape).astype(np.float32)
            for tensor in self.output_tensors
        }

    def infer(self, frames: int = 1) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_scene_holds_every_kind_of_task() -> None:
    spec = ModelSpec(
        name="all",
        input=InputSpec(width=96, height=64),
        backbone="none",
        tasks=(
            DetectionTask(classes=("car", "pedestrian")),
            PoseTask(),
            SegmentationTask(name="road", classes=("background", "road"), stride=1, binary=True),
            ClassificationTask(name="time", classes=("day", "night")),
        ),
    )
    with Pipeline(spec, FixedEngine(spec)) as pipe:
        scene = pipe(noise(48, 90), frame_index=3, captured_ns=4)
    assert (scene.size, scene.frame_index, scene.captured_ns) == ((90, 48), 3, 4)
    assert list(scene.stages_ms) == ["preprocess", "engine", "head"]
    found, poses = scene.detections["detection"], scene.poses["pose"]
    assert poses.points.shape == (len(poses), 17, 2)
    assert 0 < len(poses) < len(found)
    assert set(found.class_ids[poses.rows]) == {1}
    assert scene.masks["road"].labels.shape == (48, 90)
    assert scene.classifications["time"].best in ("day", "night")


def test_every_stage_is_timed(tiny_bundle: Bundle) -> None:
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime") as pipe:
        stages_ms = pipe(noise(48, 90)).stages_ms
    assert list(stages_ms) == ["preprocess", "engine", "head"]
    assert all(0 < value < 1000 for value in stages_ms.values())


def test_frames_of_another_size_in_mid_stream(tiny_bundle: Bundle) -> None:
    sizes = [(48, 90), (200, 100), (48, 90), (1, 1), (64, 96)]
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime") as pipe:
        scenes = [pipe(noise(*size)) for size in sizes]
    for scene, (height, width) in zip(scenes, sizes, strict=True):
        assert scene.size == (width, height)
        assert scene.masks["classes"].labels.shape == (height, width)
        boxes = scene.detections["detection"].boxes
        assert np.all((boxes >= 0) & (boxes <= [width, height, width, height]))
    first, third = scenes[0].masks["classes"].labels, scenes[2].masks["classes"].labels
    np.testing.assert_array_equal(first, third)


def test_lesson_a_thousand_frames_take_the_memory_of_one(tiny_bundle: Bundle) -> None:
    """ultralytics#1031, tensorrt-zoo#34: memory and events that every frame adds to."""
    frame = noise(123, 77)
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime", 1) as pipe:
        for _ in range(20):
            pipe(frame)
        tracemalloc.start()
        try:
            pipe(frame)
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(1000):
                pipe(frame)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < 8 * 1000  # bytes: not one number for each


def test_a_scene_outlives_the_next_frame(tiny_bundle: Bundle) -> None:
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime") as pipe:
        scene = pipe(noise(48, 90, seed=0))
        before = scene.masks["classes"].labels.copy()
        boxes = scene.detections["detection"].boxes.copy()
        pipe(noise(48, 90, seed=1))
    np.testing.assert_array_equal(scene.masks["classes"].labels, before)
    np.testing.assert_array_equal(scene.detections["detection"].boxes, boxes)


def test_a_crop_is_a_frame(tiny_bundle: Bundle) -> None:
    crop = noise(100, 200)[10:58, 20:110]
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime") as pipe:
        cropped, copied = pipe(crop), pipe(crop.copy())
    np.testing.assert_array_equal(cropped.masks["classes"].labels, copied.masks["classes"].labels)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (None, "found NoneType; was the image read"),
        ([[1]], "found list"),
        (np.zeros((48, 90), np.uint8), r"found \(48, 90\) uint8"),
        (np.zeros((48, 90, 4), np.uint8), r"found \(48, 90, 4\) uint8"),
        (np.zeros((48, 90, 3), np.float32), r"found \(48, 90, 3\) float32"),
        (np.zeros((0, 90, 3), np.uint8), "at least one pixel"),
    ],
)
def test_what_is_no_frame(tiny_bundle: Bundle, frame: Any, message: str) -> None:
    with (
        Pipeline.from_bundle(tiny_bundle, "onnxruntime") as pipe,
        pytest.raises(EdgeMtlError, match=message),
    ):
        pipe(frame)


def test_open_takes_a_path(tiny_bundle_path: Path) -> None:
    with Pipeline.open(tiny_bundle_path, "onnxruntime") as pipe:
        assert pipe(noise(48, 90)).size == (90, 48)
    with Pipeline.open(str(tiny_bundle_path), "onnxruntime", threads=1) as pipe:
        assert pipe.spec.name == "tiny"


def test_open_names_what_is_not_there() -> None:
    with pytest.raises(EdgeMtlError, match=r"none\.emtl: no such bundle"):
        Pipeline.open("none.emtl")
    with pytest.raises(UsageError, match="neither a file nor a network"):
        Pipeline.open("no-such-network")


class ListSource:
    """Frames from memory."""

    name, live, frames_per_second, length = "list", False, 10.0, None
    dropped = skipped = 0

    def __init__(self, images: list[NDArray[np.uint8]]) -> None:
        self._frames = [Frame(image, index, 100 + index) for index, image in enumerate(images)]
        self.closed = False

    def read(self) -> Frame | None:
        return self._frames.pop(0) if self._frames else None

    def close(self) -> None:
        self.closed = True


def test_stream_of_a_source(tiny_bundle: Bundle) -> None:
    source = ListSource([noise(48, 90), noise(64, 64)])
    with Pipeline(tiny_bundle.spec, open_engine("onnxruntime", tiny_bundle)) as pipe:
        scenes = list(pipe.stream(source))
    assert [(scene.frame_index, scene.captured_ns) for scene in scenes] == [(0, 100), (1, 101)]
    assert [scene.size for scene in scenes] == [(90, 48), (64, 64)]
    assert source.closed


def test_stream_that_is_left_early_closes_its_source(tiny_bundle: Bundle) -> None:
    source = ListSource([noise(48, 90)] * 5)
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime") as pipe:
        scenes = pipe.stream(source)
        next(scenes)
        scenes.close()  # type: ignore[attr-defined]
    assert source.closed


def test_stream_of_a_file(tiny_bundle: Bundle, tiny_video: Path) -> None:
    with Pipeline.from_bundle(tiny_bundle, "onnxruntime") as pipe:
        assert sum(1 for _ in pipe.stream(str(tiny_video))) == 30


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_frames_of_different_sizes_at_once_are_as_one_at_a_time(
    tiny_bundle: Bundle,
    tiny_bundle_of_3: Bundle,
    engine: str,
    assert_same: Callable[[Scene, Scene], None],
) -> None:
    pytest.importorskip(engine, reason="the extra cpu is not installed")
    sizes = [(48, 90), (123, 77), (64, 96)]
    frames = [Frame(noise(*size, seed), 5 + seed, 7 + seed) for seed, size in enumerate(sizes)]
    with (
        Pipeline.from_bundle(tiny_bundle, engine, 1) as alone,
        Pipeline.from_bundle(tiny_bundle_of_3, engine, 1) as pipe,
    ):
        assert (alone.most_frames, pipe.most_frames) == (1, 3)
        expected = [alone.batch([frame])[0] for frame in frames]
        for order in ([0, 1, 2], [2, 0], [1], [1, 0, 2]):
            scenes = pipe.batch([frames[i] for i in order])
            for i, scene in zip(order, scenes, strict=True):
                assert_same(scene, expected[i])
                assert (scene.frame_index, scene.captured_ns) == (5 + i, 7 + i)
                assert scene.size == sizes[i][::-1]
                assert list(scene.stages_ms) == ["preprocess", "engine", "head"]
        assert_same(pipe(frames[1].image), expected[1])
        with pytest.raises(EdgeMtlError, match=r"1 to 3 frames at once, found 4.*--batch"):
            pipe.batch([*frames, frames[0]])


def test_nothing_is_allocated_for_a_batch_once_it_is_steady(tiny_bundle_of_3: Bundle) -> None:
    """Masks of the frames' size take 0.9 MB and more each, and not all cameras are in every one."""
    sizes = [(720, 1280), (1080, 1920), (720, 1280)]
    frames = [Frame(noise(*size), 0, 0) for size in sizes]
    orders = [[0, 1, 2], [1], [2, 1], [0], [0, 2], [1, 0]]
    with Pipeline.from_bundle(tiny_bundle_of_3, "onnxruntime", 1) as pipe:
        for order in orders:
            pipe.batch([frames[i] for i in order])
        tracemalloc.start()
        try:
            for order in orders * 3:
                pipe.batch([frames[i] for i in order])
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 100_000
